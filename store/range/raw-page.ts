// Raw points: series in the order of the request, points in the order of time. They are read slice by slice, each a
// statement of its own that sees its own moment, so that whoever reads many lets others have the embedded session in
// between, and holds no snapshot open. A page is what a bounded number of slices gives.
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

/** Points in one slice over all its series: some 40 ms embedded. */
const SLICE_POINTS_MAX = 50_000;

/** Of states; a statement gives fewer where their texts are long. */
const SLICE_STATES_MAX = 10_000;

/** Of a page: what a text of JSON is made of has to fit into memory several times, and a text has its own maximum. */
const PAGE_CHARACTERS = 16 * 1024 * 1024;

/** Series in one slice. */
const SLICE_SERIES_MAX = 256;

/** Which points: those after `after`, or from `startUs` on. */
export interface RawScan
  extends Pick<RangeRequest, 'series' | 'startUs' | 'endUs' | 'signal'>,
    Pick<Extract<RangeResolution, { kind: 'raw' }>, 'after'> {}

/** Some points of one series. */
export interface RawSlice {
  readonly series: Series;
  readonly columns: RawColumns;
}

/** Where the next slice begins: at `fromUs` in the series at `index`, at the scan's start in those behind it. */
interface Cursor {
  readonly index: number;
  readonly fromUs: number;
  /** Points that were read of the series at `index` before. */
  readonly before: number;
}

/**
 * Reads points slice after slice, each time it is asked for one; at most `limit` points. A series without points is
 * left out, one with many comes several times.
 *
 * @throws {TailraceError} `bad_parameter` where `after` names a series that is not asked for; whatever the scan's
 *   signal says, before the next slice is read
 */
export async function* readRawSlices(
  sql: Reading,
  scan: RawScan,
  count: (rows: number) => void,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<RawSlice, void, undefined> {
  const { series, startUs, endUs, signal } = scan;
  let cursor = firstCursor(scan);
  let remaining = limit;
  let batchMax = 1;

  while (cursor.index < series.length && remaining > 0) {
    signal?.throwIfAborted();
    const batch = nextBatch(series, cursor, startUs, batchMax);
    const sliceMax = batch[0]?.kind === 'state' ? SLICE_STATES_MAX : SLICE_POINTS_MAX;
    const each = Math.max(1, Math.floor(Math.min(sliceMax / batch.length, remaining)));
    const found = await readSlice(sql, batch, cursor.fromUs, endUs, each);
    const { index, before } = cursor;
    let densest = 1;
    let whole = batch.length;
    cursor = { index: index + batch.length, fromUs: startUs, before: 0 };
    for (const [at, one] of batch.entries()) {
      const slice = found.get(one.id);
      const points = firstPoints(slice?.columns, remaining);
      if (slice === undefined || points === undefined) continue;
      const read = points.t.length + (at === 0 ? before : 0);
      densest = Math.max(densest, read);
      remaining -= points.t.length;
      count(points.t.length);
      yield { series: one, columns: points };
      if (slice.more) {
        // The slice ended here, not the series: those behind it are read again after it.
        cursor = { index: index + at, fromUs: points.t.at(-1)! + 1, before: read };
        whole = at;
        break;
      }
    }
    batchMax = Math.min(
      ...[SLICE_SERIES_MAX, whole === batch.length ? batchMax * 2 : Math.max(1, whole)],
      // As many as fill a slice if they are as dense as the densest of these.
      Math.max(1, Math.floor(sliceMax / densest)),
    );
  }
}

/**
 * Reads the page that begins after `page.after`, at most `page.limit` points over all series.
 *
 * @throws {TailraceError} as `readRawSlices`
 */
export async function readRawPage(
  sql: Reading,
  { series, startUs, endUs, signal }: RangeRequest,
  { limit, after }: Extract<RangeResolution, { kind: 'raw' }>,
  count: (rows: number) => void,
): Promise<Pick<RangeAnswer, 'series' | 'next'>> {
  const scan: RawScan = {
    ...{ series, startUs, endUs },
    ...(after === undefined ? {} : { after }),
    ...(signal === undefined ? {} : { signal }),
  };
  const parts = new Map<number, RawColumns[]>();
  let remaining = limit;
  let characters = 0;
  let last: RawPosition | undefined;
  // One more than fits, to know whether anything follows.
  for await (const { series: one, columns } of readRawSlices(sql, scan, count, limit + 1)) {
    const points = firstPoints(columns, remaining);
    if (points !== undefined) {
      parts.set(one.id, [...(parts.get(one.id) ?? []), points]);
      last = { seriesId: one.id, timeUs: points.t.at(-1)! };
      remaining -= points.t.length;
      characters += charactersOf(points);
    }
    const isFull = points === undefined || points.t.length < columns.t.length;
    if (isFull || characters > PAGE_CHARACTERS) {
      return { series: columnsOf(series, parts), ...(last === undefined ? {} : { next: last }) };
    }
  }
  return { series: columnsOf(series, parts) };
}

function firstCursor({ series, startUs, after }: RawScan): Cursor {
  if (after === undefined) return { index: 0, fromUs: startUs, before: 0 };
  const index = series.findIndex(({ id }) => id === after.seriesId);
  if (index >= 0) return { index, fromUs: Math.max(after.timeUs + 1, startUs), before: 0 };
  throw new TailraceError('bad_parameter', 'page belongs to another query', {
    details: { parameter: 'page' },
  });
}

/** Of texts; numbers are all of one size. */
function charactersOf({ v }: RawColumns): number {
  if (v instanceof Float64Array) return 0;
  return v.reduce((sum, text) => sum + text.length, 0);
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

/** `limit` is of each series. */
async function readSlice(
  sql: Reading,
  series: readonly Series[],
  startUs: number,
  endUs: number,
  limit: number,
): Promise<Map<number, { readonly columns: RawColumns; readonly more: boolean }>> {
  const scan = { seriesIds: series.map(({ id }) => id), startUs, endUs, limit, qualities: true };
  const rows =
    series[0]?.kind === 'number'
      ? await selectReadings(sql, scan)
      : await selectStateReadings(sql, scan);
  return new Map(
    rows.map(({ seriesId, timesUs, values, qualities, more }) => [
      seriesId,
      { columns: { t: timesUs, v: values, q: qualities }, more },
    ]),
  );
}

/** The first points of some; undefined where that is none. */
function firstPoints(points: RawColumns | undefined, max: number): RawColumns | undefined {
  if (points === undefined || max === 0) return undefined;
  const { t, v, q } = points;
  if (t.length <= max) return points;
  const values = v instanceof Float64Array ? v.subarray(0, max) : v.slice(0, max);
  return { t: t.subarray(0, max), v: values, q: q.subarray(0, max) };
}

function columnsOf(
  series: readonly Series[],
  parts: ReadonlyMap<number, RawColumns[]>,
): RangeAnswer['series'] {
  return series.map((one) => {
    const columns = joined(one, parts.get(one.id) ?? []);
    return { series: one, columns: { kind: 'raw', ...columns } };
  });
}

function joined({ kind }: Series, parts: readonly RawColumns[]): RawColumns {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const points = parts.reduce((sum, { t }) => sum + t.length, 0);
  const t = new Float64Array(points);
  const q = new Int16Array(points);
  const numbers = new Float64Array(kind === 'number' ? points : 0);
  let at = 0;
  for (const part of parts) {
    t.set(part.t, at);
    q.set(part.q, at);
    if (part.v instanceof Float64Array) numbers.set(part.v, at);
    at += part.t.length;
  }
  if (kind === 'number') return { t, q, v: numbers };
  return { t, q, v: parts.flatMap(({ v }) => Array.from(v, String)) };
}
