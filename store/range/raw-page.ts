// One page of raw points: series in the order of the request, points in the order of time.
import { TailraceError } from '../../lib/errors.ts';
import type { Snapshot } from '../../sql/snapshot.ts';
import { selectReadings, selectStateReadings } from '../../sql/statements/selectReadings.ts';
import type { Series } from '../series.ts';
import type { RangeAnswer, RangeRequest, RawColumns, RawPosition } from './range.ts';

/** Series of one statement. */
const SERIES_MAX = 256;

const NOTHING: RawColumns = {
  t: new Float64Array(0),
  v: new Float64Array(0),
  q: new Int16Array(0),
};
const NO_STATES: RawColumns = { ...NOTHING, v: [] };

/**
 * Reads the page that begins after `resolution.after`, at most `resolution.limit` points over all series.
 *
 * @throws {TailraceError} `bad_parameter` where `after` names a series that is not asked for
 */
export async function readRawPage(
  snapshot: Snapshot,
  request: RangeRequest,
  count: (rows: number) => void,
): Promise<Pick<RangeAnswer, 'series' | 'next'>> {
  if (request.resolution.kind !== 'raw') throw new TypeError('a raw page was expected');
  const { limit, after } = request.resolution;
  const columns = new Map<number, RawColumns>();
  let index = after === undefined ? 0 : indexOf(request.series, after);
  let startUs = after === undefined ? request.startUs : Math.max(after.timeUs + 1, request.startUs);
  let last = after;
  let remaining = limit;
  let next: RawPosition | undefined;

  for (let size = 1; index < request.series.length && next === undefined; ) {
    const batch = sameKind(request.series, index, startUs === request.startUs ? size : 1);
    // One more than fits, to know whether anything follows.
    const found = await readPoints(snapshot, batch, startUs, request.endUs, remaining + 1);
    for (const { id } of batch) {
      const points = found.get(id);
      if (points === undefined) continue;
      const fits = Math.min(points.t.length, remaining);
      if (fits > 0) {
        columns.set(id, firstPoints(points, fits));
        last = { seriesId: id, timeUs: points.t[fits - 1]! };
        remaining -= fits;
        count(fits);
      }
      if (points.t.length > fits) {
        next = last ?? { seriesId: id, timeUs: request.startUs - 1 };
        break;
      }
    }
    const densest = Math.max(1, ...[...found.values()].map(({ t }) => t.length));
    size = Math.min(SERIES_MAX, size * 2, Math.max(1, Math.floor(remaining / densest)));
    if (remaining === 0) size = SERIES_MAX;
    index += batch.length;
    startUs = request.startUs;
  }
  const series = request.series.map((one) => {
    const nothing = one.kind === 'number' ? NOTHING : NO_STATES;
    return { series: one, columns: { kind: 'raw' as const, ...(columns.get(one.id) ?? nothing) } };
  });
  return next === undefined ? { series } : { series, next };
}

function indexOf(series: readonly Series[], after: RawPosition): number {
  const index = series.findIndex(({ id }) => id === after.seriesId);
  if (index >= 0) return index;
  throw new TailraceError('bad_parameter', 'page belongs to another query', {
    details: { parameter: 'page' },
  });
}

/** Up to `size` series from `index` on, all of the kind of the first. */
function sameKind(series: readonly Series[], index: number, size: number): Series[] {
  const batch = series.slice(index, index + size);
  const other = batch.findIndex(({ kind }) => kind !== batch[0]!.kind);
  return other < 0 ? batch : batch.slice(0, other);
}

async function readPoints(
  snapshot: Snapshot,
  series: readonly Series[],
  startUs: number,
  endUs: number,
  limit: number,
): Promise<Map<number, RawColumns>> {
  const scan = { seriesIds: series.map(({ id }) => id), startUs, endUs, limit, qualities: true };
  const rows =
    series[0]!.kind === 'number'
      ? await selectReadings(snapshot, scan)
      : await selectStateReadings(snapshot, scan);
  return new Map(
    rows.map((row) => [row.seriesId, { t: row.timesUs, v: row.values, q: row.qualities }]),
  );
}

function firstPoints(points: RawColumns, count: number): RawColumns {
  return {
    t: points.t.subarray(0, count),
    v: points.v instanceof Float64Array ? points.v.subarray(0, count) : points.v.slice(0, count),
    q: points.q.subarray(0, count),
  };
}
