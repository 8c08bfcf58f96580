// Where series begin and end for a caller: the first and the newest point that it may see. What is kept in memory is the
// very first and the very newest; where a look-back or a delay hides those, the tables are asked for the next.
import type { Grant } from '../../policies/grant.ts';
import { permittedSpan } from '../../policies/obligations.ts';
import type { Latest } from '../../store/latest.ts';
import type { RangeReader } from '../../store/range/read.ts';
import type { Series } from '../../store/series.ts';

export interface EndsSources {
  readonly latest: Latest;
  readonly rangeReader: RangeReader;
}

/** Times in µs since 1970 UTC; `value` and `quality` are the newest point's. */
export interface ShownEnds {
  readonly firstUs: number;
  readonly lastUs: number;
  readonly value: number | string;
  readonly quality: number;
}

type Span = ReturnType<typeof permittedSpan>;

/** What memory says: all of it may be shown, nothing of the series may, or only the tables can tell. */
function fromMemory(one: Series, latest: Latest, span: Span): ShownEnds | 'nothing' | 'unknown' {
  const point = latest.of(one.id);
  if (point === undefined) return 'nothing';
  const { firstUs, timeUs: lastUs, value, quality } = point;
  if (lastUs < span.startUs || firstUs >= span.endUs) return 'nothing';
  if (firstUs < span.startUs || lastUs >= span.endUs) return 'unknown';
  return { firstUs, lastUs, value, quality };
}

/** The ends of each of these series within the grant's obligations; one that has no point there is left out. */
export async function shownEnds(
  grant: Grant,
  series: readonly Series[],
  { latest, rangeReader }: EndsSources,
  nowUs: number,
): Promise<ReadonlyMap<number, ShownEnds>> {
  const span = permittedSpan(grant, nowUs);
  const shown = new Map<number, ShownEnds>();
  const unknown: Series[] = [];
  for (const one of series) {
    const ends = fromMemory(one, latest, span);
    if (ends === 'unknown') unknown.push(one);
    else if (ends !== 'nothing') shown.set(one.id, ends);
  }
  if (unknown.length > 0) {
    for (const ends of await rangeReader.ends(unknown, span)) shown.set(ends.seriesId, ends);
  }
  if (grant.obligations.finest_step_ms === undefined) return shown;
  // Whoever may have buckets only: they do not keep the quality of their points.
  return new Map(Array.from(shown, ([id, ends]) => [id, { ...ends, quality: 0 }]));
}
