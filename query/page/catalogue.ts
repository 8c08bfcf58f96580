// The series there are, as far as this caller may see them, kept fresh.
import { type Api, ApiError } from './api.ts';
import { nameOf } from './search.ts';
import type { SeriesInfo } from './wire.ts';

export interface Catalogue {
  all(): readonly SeriesInfo[];
  find(name: string): SeriesInfo | undefined;
  /** The oldest reading of the named series. */
  firstMs(names: readonly string[]): number | undefined;
  /** Asks now. Never rejects: the listener is told. */
  refresh(): Promise<void>;
  refreshSoon(): void;
}

export interface CatalogueListener {
  /** There are other series than before. */
  changed(): void;
  failed(error: ApiError): void;
}

/** Series come and go rarely; a page that was opened before there are any wants to see them soon. */
const REFRESH_MS = 20_000;
const REFRESH_EMPTY_MS = 1_000;
const YOUNG_MS = 60_000;

/** Makes an empty catalogue. `unitOf` knows units of series to which no topic rule gave one. */
export function createCatalogue(
  api: Api,
  listener: CatalogueListener,
  unitOf: (name: string) => string | undefined,
): Catalogue {
  let series: readonly SeriesInfo[] = [];
  let byName = new Map<string, SeriesInfo>();
  let timer: number | undefined;
  const bornMs = performance.now();

  function later(restMs: number): void {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void refresh(), restMs);
  }

  async function refresh(): Promise<void> {
    window.clearTimeout(timer);
    try {
      const answer = await api.series();
      const before = identity(series);
      series = answer.series.map((one) => ({
        ...one,
        unit: one.unit ?? unitOf(nameOf(one)) ?? null,
      }));
      byName = new Map(series.map((one) => [nameOf(one), one]));
      const young = series.length === 0 || performance.now() - bornMs < YOUNG_MS;
      later(young ? REFRESH_EMPTY_MS * (series.length === 0 ? 1 : 3) : REFRESH_MS);
      if (identity(series) !== before || before === '') listener.changed();
    } catch (cause) {
      const error = cause instanceof ApiError ? cause : new ApiError(0, 'failed', String(cause));
      // Whoever is refused asks again with another token, not by the clock.
      if (error.status !== 401 && error.status !== 403) later(REFRESH_EMPTY_MS * 2);
      listener.failed(error);
    }
  }

  return {
    all: () => series,
    find: (name) => byName.get(name),
    firstMs(names) {
      const firsts = names.map((name) => byName.get(name)?.first ?? Number.POSITIVE_INFINITY);
      const first = Math.min(...firsts);
      return Number.isFinite(first) ? first : undefined;
    },
    refresh,
    refreshSoon: () => later(REFRESH_EMPTY_MS),
  };
}

function identity(series: readonly SeriesInfo[]): string {
  return series.map(({ id, unit }) => `${id} ${unit ?? ''}`).join();
}
