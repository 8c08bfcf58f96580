// Holds what a viewer was sent against what was fed: every frame has to tell of all that lies between the cursor before
// and its own, as points or as dropped, and what was put together from them has to be the table's, but for what was
// declared as dropped. Pure.
import { decodeCursor } from '../../../lib/feed/feed.ts';
import type { Frame } from '../../tail-client.ts';
import type { Event } from './viewer.ts';
import type { Row } from './world.ts';

/** The latest value by series and time, and the keys whose newest value was dropped since. */
interface View {
  readonly values: Map<string, number | string>;
  readonly stale: Set<string>;
}

export interface Verdict {
  readonly view: View;
  readonly faults: readonly string[];
  /** Points received, and points that frames and goodbyes said were not sent. */
  readonly points: number;
  readonly dropped: number;
  readonly summaries: number;
}

const WIDEST_MS = 3_600_000;
const keyOf = (seriesId: number, t: number) => `${seriesId} ${t}`;

/** Of each series the row of the latest time; of those of one time the last that was fed. */
function newestOf(rows: readonly Row[]): Map<number, Row> {
  const newest = new Map<number, Row>();
  for (const row of rows) {
    const before = newest.get(row.seriesId);
    if (before === undefined || row.t >= before.t) newest.set(row.seriesId, row);
  }
  return newest;
}

/** The buckets of a width that rows give, as frames write them, in order. */
function bucketsOf(rows: readonly Row[], widthMs: number): string[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const start = Math.floor(row.t / widthMs) * widthMs;
    const key = keyOf(row.seriesId, start);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return Array.from(groups.values(), (group) => {
    const firstMs = Math.min(...group.map(({ t }) => t));
    const first = group.findLast(({ t }) => t === firstMs)?.value;
    const last = [...newestOf(group).values()][0]?.value;
    const numbers = group.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
    const extremes =
      numbers.length === 0 ? [null, null] : [Math.min(...numbers), Math.max(...numbers)];
    const { seriesId, t } = group[0] as Row;
    const start = Math.floor(t / widthMs) * widthMs;
    return JSON.stringify([seriesId, start, first, last, ...extremes, group.length]);
  }).sort();
}

const pointText = ({ seriesId, t, value }: Row) => JSON.stringify([seriesId, t, value]);

/** What is wrong with a frame of points, given the rows that it has to tell of. */
function faultOfData({ points, dropped }: Frame, rows: readonly Row[]): string | undefined {
  const told = points.length + dropped;
  if (told !== rows.length) return `tells of ${told} points, and ${rows.length} were fed`;
  const expected = dropped === 0 ? rows : [...newestOf(rows).values()];
  const sent: string[] = points.map((point: unknown[]) => JSON.stringify(point));
  const wanted = expected.map(pointText);
  // In the order of the feed where all of them are sent; of several series else in any.
  const isPlain = dropped === 0 && sent.join() === wanted.join();
  if (isPlain || sent.toSorted().join() === wanted.toSorted().join()) return undefined;
  return `has ${sent.slice(0, 5)} instead of ${wanted.slice(0, 5)}`;
}

/** What is wrong with a summary, given the rows that it has to tell of. */
function faultOfSummary({ buckets, dropped }: Frame, rows: readonly Row[]): string | undefined {
  if (dropped !== rows.length) return `says dropped ${dropped}, and ${rows.length} were fed`;
  const sent: string = buckets
    .map((bucket: unknown[]) => JSON.stringify(bucket))
    .sort()
    .join();
  for (let widthMs = 1_000; widthMs < 2 * WIDEST_MS; widthMs *= 2) {
    if (bucketsOf(rows, widthMs).join() === sent) return undefined;
  }
  return `has buckets that no width gives: ${sent.slice(0, 300)}`;
}

/** Takes a data or summary frame into a view. */
function takeIn(view: View, frame: Frame, rows: readonly Row[]): void {
  for (const { seriesId, t } of rows) view.stale.add(keyOf(seriesId, t));
  for (const [seriesId, t, value] of frame.points ?? []) {
    view.values.set(keyOf(seriesId, t), value);
    view.stale.delete(keyOf(seriesId, t));
  }
}

function takeSnapshot(view: View, { series }: Frame): void {
  for (const { id, t, v } of series) {
    t.forEach((ms: number, i: number) => {
      view.values.set(keyOf(id, ms), v[i]);
    });
  }
}

/** Holds all that a viewer saw against `rowsOf` an epoch. */
export function judge(
  events: readonly Event[],
  rowsOf: (epoch: string) => readonly Row[],
): Verdict {
  const view: View = { values: new Map(), stale: new Set() };
  const faults: string[] = [];
  const series = new Set<number>();
  let [points, dropped, summaries] = [0, 0, 0];
  let from: { epoch: string; offset: number } | undefined;

  function subscribed(frame: Frame): void {
    from = decodeCursor(frame.cursor);
    series.clear();
    for (const { id } of frame.series) series.add(id);
    if (frame.recovered === true) return;
    view.values.clear();
    view.stale.clear();
  }

  function followed(frame: Frame): void {
    const to = decodeCursor(frame.cursor);
    if (from === undefined || to?.epoch !== from.epoch) {
      faults.push(`a frame of ${frame.cursor} after ${JSON.stringify(from)}`);
      return;
    }
    const [after, upTo] = [from.offset, to.offset];
    const rows = rowsOf(to.epoch).filter(
      (row) => row.offset > after && row.offset <= upTo && series.has(row.seriesId),
    );
    const fault = frame.type === 'data' ? faultOfData(frame, rows) : faultOfSummary(frame, rows);
    if (fault !== undefined) faults.push(`${frame.type} (${after}, ${upTo}] ${fault}`);
    takeIn(view, frame, rows);
    from = to;
    points += frame.points?.length ?? 0;
    dropped += frame.dropped;
    if (frame.type === 'summary') summaries += 1;
  }

  for (const event of events) {
    if (event.kind !== 'frame') continue;
    const { frame } = event;
    if (frame.type === 'subscribed') subscribed(frame);
    else if (frame.type === 'snapshot') takeSnapshot(view, frame);
    else if (frame.type === 'series') for (const { id } of frame.added) series.add(id);
    else if (frame.type === 'data' || frame.type === 'summary') followed(frame);
    else if (frame.type === 'bye') dropped += frame.dropped ?? 0;
    else if (frame.type === 'error') faults.push(JSON.stringify(frame));
  }
  return { view, faults, points, dropped, summaries };
}

/** Where a view is not what a range says, apart from what was declared as dropped. `range` is of raw points. */
export function differences({ values, stale }: View, range: Frame): string[] {
  const found: string[] = [];
  const inTable = new Set<string>();
  for (const { id, t, v } of range.series) {
    t.forEach((ms: number, i: number) => {
      const key = keyOf(id, ms);
      inTable.add(key);
      if (values.get(key) === v[i] || stale.has(key)) return;
      found.push(
        `${key}: ${String(values.get(key)).slice(0, 40)} for ${String(v[i]).slice(0, 40)}`,
      );
    });
  }
  for (const key of values.keys()) if (!inTable.has(key)) found.push(`${key} is not in the table`);
  return found;
}
