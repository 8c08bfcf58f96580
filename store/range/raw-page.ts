// One page of raw points: series in the order of the request, points in the order of time. It is read slice by slice,
// each a statement of its own, so that a long page lets others have the embedded session in between.
import { TailraceError } from '../../lib/errors.ts';
import type { Reading } from '../../sql/snapshot.ts';
import { selectReadings, selectStateReadings } from '../../sql/statements/selectReadings.ts';
import type { Series } from '../series.ts';
import type {
  RangeAnswer,
  RangeRequest,
  RangeResolution,
  RawColumns,
  RawPosition,
} from './range.ts';

/** Points of one series in one slice: some 40 ms embedded. */
const SLICE_POINTS_MAX = 50_000;

/** Series in one slice. */
const SLICE_SERIES_MAX = 256;

/** Where the next slice begins: at `fromUs` in the series at `index`, at the request's start in those behind it. */
interface Cursor {
  readonly index: number;
  readonly fromUs: number;
}

/** Slices of one series, in the order of time. */
type Slices = Map<number, RawColumns[]>;

/**
 * Reads the page that begins after `page.after`, at most `page.limit` points over all series.
 *
 * @throws {TailraceError} `bad_parameter` where `after` names a series that is not asked for
 */
export async function readRawPage(
  sql: Reading,
  request: RangeRequest,
  page: Extract<RangeResolution, { kind: 'raw' }>,
  count: (rows: number) => void,
): Promise<Pick<RangeAnswer, 'series' | 'next'>> {
  const { startUs, endUs, series } = request;
  const slices: Slices = new Map();
  let cursor = firstCursor(request, page.after);
  let last = page.after ?? { seriesId: series[0]?.id ?? 0, timeUs: startUs - 1 };
  let remaining = page.limit;
  let batchMax = 1;

  while (cursor.index < series.length) {
    const batch = nextBatch(series, cursor, startUs, batchMax);
    // One more than fits, to know whether anything follows.
    const limit = Math.min(remaining + 1, SLICE_POINTS_MAX);
    const found = await readSlice(sql, batch, cursor.fromUs, endUs, limit);
    cursor = { index: cursor.index + batch.length, fromUs: startUs };
    for (const [index, { id }] of batch.entries()) {
      const points = found.get(id);
      if (points === undefined) continue;
      const fits = Math.min(points.t.length, remaining);
      if (fits > 0) {
        slices.set(id, [...(slices.get(id) ?? []), firstPoints(points, fits)]);
        last = { seriesId: id, timeUs: points.t[fits - 1]! };
        remaining -= fits;
        count(fits);
      }
      if (points.t.length > fits) return { series: columnsOf(series, slices), next: last };
      if (points.t.length === limit) {
        // The slice ended here, not the series: those behind it are read again after it.
        cursor = { index: series.indexOf(batch[index]!), fromUs: last.timeUs + 1 };
        break;
      }
    }
    batchMax = nextBatchMax(batchMax, remaining, found);
  }
  return { series: columnsOf(series, slices) };
}

function firstCursor({ series, startUs }: RangeRequest, after: RawPosition | undefined): Cursor {
  if (after === undefined) return { index: 0, fromUs: startUs };
  const index = series.findIndex(({ id }) => id === after.seriesId);
  if (index >= 0) return { index, fromUs: Math.max(after.timeUs + 1, startUs) };
  throw new TailraceError('bad_parameter', 'page belongs to another query', {
    details: { parameter: 'page' },
  });
}

/** Series for one statement: all of one kind, and from one time on. */
function nextBatch(
  series: readonly Series[],
  { index, fromUs }: Cursor,
  startUs: number,
  max: number,
): Series[] {
  const batch = series.slice(index, index + (fromUs === startUs ? max : 1));
  const other = batch.findIndex(({ kind }) => kind !== batch[0]!.kind);
  return other < 0 ? batch : batch.slice(0, other);
}

/** At most twice as many, and no more than fill the page if they are as dense as the densest so far. */
function nextBatchMax(
  before: number,
  remaining: number,
  found: ReadonlyMap<number, RawColumns>,
): number {
  if (remaining === 0) return SLICE_SERIES_MAX;
  const densest = Math.max(1, ...[...found.values()].map(({ t }) => t.length));
  const filling = Math.max(1, Math.floor(Math.min(remaining, SLICE_POINTS_MAX) / densest));
  return Math.min(SLICE_SERIES_MAX, before * 2, filling);
}

async function readSlice(
  sql: Reading,
  series: readonly Series[],
  startUs: number,
  endUs: number,
  limit: number,
): Promise<Map<number, RawColumns>> {
  const scan = { seriesIds: series.map(({ id }) => id), startUs, endUs, limit, qualities: true };
  const rows =
    series[0]?.kind === 'number'
      ? await selectReadings(sql, scan)
      : await selectStateReadings(sql, scan);
  return new Map(
    rows.map((row) => [row.seriesId, { t: row.timesUs, v: row.values, q: row.qualities }]),
  );
}

function firstPoints({ t, v, q }: RawColumns, count: number): RawColumns {
  const values = v instanceof Float64Array ? v.subarray(0, count) : v.slice(0, count);
  return { t: t.subarray(0, count), v: values, q: q.subarray(0, count) };
}

function columnsOf(series: readonly Series[], slices: Slices): RangeAnswer['series'] {
  return series.map((one) => {
    const parts = slices.get(one.id) ?? [];
    const [only] = parts;
    const columns = parts.length === 1 && only !== undefined ? only : joined(one, parts);
    return { series: one, columns: { kind: 'raw', ...columns } };
  });
}

function joined({ kind }: Series, parts: readonly RawColumns[]): RawColumns {
  const t = Float64Array.from(parts.flatMap((part) => [...part.t]));
  const q = Int16Array.from(parts.flatMap((part) => [...part.q]));
  if (kind === 'state') return { t, q, v: parts.flatMap((part) => [...part.v].map(String)) };
  return { t, q, v: Float64Array.from(parts.flatMap((part) => [...part.v].map(Number))) };
}
