// Tails of those who may have delayed or coarser data only: what has become theirs is read from the table on a timer,
// by the same path as a range, so that no fresher or finer point ever comes near them. Of the feed they take only when
// points came in behind what was read already: those stretches are read again.
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import { shownByIds } from '../choice.ts';
import { within } from '../range/deadline.ts';
import type { Page } from '../range/page.ts';
import { type RangeQuestion, type RangeResult, readRange } from '../range/read.ts';
import type { SeriesTable } from '../range/table.ts';
import { type Connection, fail, flushAll, goneSignal, type Held, isFlowing } from './connection.ts';
import { decideAgain, settle } from './decide.ts';
import { dataFrame, isDataFrame, type ServerFrame } from './frames.ts';
import { makePoint, type Point } from './point.ts';
import { createTouched, type Stretch, type Touched } from './touched.ts';
import type { Bucket } from './waiting.ts';

const EVERY_MIN_MS = 1_000;
const POINTS_A_FRAME = 5_000;
/** Stretches that are read again between two times that it is read on. */
const AGAIN_MAX = 8;
/** What takes longer is asked again. */
const READ_MAX_MS = 30_000;

export interface Poll {
  readonly everyMs: number;
  /** Buckets of this length instead of points; 0 for points. */
  readonly stepMs: number;
  /** Everything before has been sent. */
  fromUs: number;
  /** What is being read is before this: what comes in there may have been too late for it. */
  readingToUs: number;
  /** Where points came in behind `fromUs`. */
  readonly touched: Touched;
  /** What is read again now; undefined while it is read on. */
  again: Stretch | undefined;
  /** Stretches that are read again before it is read on. */
  againLeft: number;
  /** Where the points that were read last go on, if not all of them went into one frame. */
  page: Page | undefined;
  /** Counts the times that series were taken out: what was read before is not sent. */
  narrowings: number;
  nextMs: number;
  isBusy: boolean;
}

/** The polling of a subscription under this grant; undefined where it may be live. */
export function firstPoll(grant: Grant, nowMs: number): Poll | undefined {
  const { delay_ms: delayMs = 0, finest_step_ms: stepMs = 0 } = grant.obligations;
  if (delayMs === 0 && stepMs === 0) return undefined;
  const fromUs = floorTo(nowMs - delayMs, stepMs) * 1_000;
  return {
    everyMs: Math.max(EVERY_MIN_MS, stepMs),
    ...{ stepMs, fromUs, readingToUs: fromUs },
    ...{ touched: createTouched(), again: undefined, againLeft: AGAIN_MAX },
    page: undefined,
    narrowings: 0,
    nextMs: nowMs,
    isBusy: false,
  };
}

function floorTo(ms: number, stepMs: number): number {
  return stepMs === 0 ? ms : Math.floor(ms / stepMs) * stepMs;
}

/** Notes a point of the feed that reading on would miss. */
export function notePoint(poll: Poll, { seriesId, t }: Point, nowMs: number): void {
  const timeUs = Math.round(t * 1_000);
  if (timeUs >= poll.readingToUs) return;
  const { stepMs } = poll;
  const startUs = stepMs === 0 ? timeUs : floorTo(timeUs / 1_000, stepMs) * 1_000;
  poll.touched.note(seriesId, startUs, startUs + (stepMs === 0 ? 1 : stepMs * 1_000));
  poll.nextMs = Math.min(poll.nextMs, nowMs + EVERY_MIN_MS);
}

/** The next stretch to be read again; undefined where it is time to read on. */
function nextAgain(poll: Poll): Stretch | undefined {
  while (poll.againLeft > 0) {
    const stretch = poll.touched.take();
    if (stretch === undefined) return undefined;
    poll.againLeft -= 1;
    // The rest is read when it is read on.
    const endUs = Math.min(stretch.endUs, poll.fromUs);
    if (stretch.startUs < endUs) return { ...stretch, endUs };
  }
  return undefined;
}

/** Points of the raw tables, series by series. */
function pointsOf(tables: readonly SeriesTable[]): Point[] {
  return tables.flatMap(({ series, columns }) => {
    const [t, v, q] = columns.map((column) => column.cells);
    return Array.from({ length: t?.length ?? 0 }, (_, i): Point => {
      const value = v?.[i] ?? 0;
      return makePoint(series.id, Number(t?.[i]) / 1_000, value, Number(q?.[i] ?? 0));
    });
  });
}

function bucketsOf(tables: readonly SeriesTable[]): Bucket[] {
  return tables.flatMap(({ series, columns }) => {
    const cells = new Map(columns.map((column) => [column.name, column.cells]));
    const number = (name: string, i: number) => {
      const cell = cells.get(name)?.[i];
      return typeof cell === 'number' && !Number.isNaN(cell) ? cell : null;
    };
    const t = cells.get('t');
    return Array.from({ length: t?.length ?? 0 }, (_, i): Bucket => {
      const [first, last] = [cells.get('first')?.[i] ?? 0, cells.get('last')?.[i] ?? 0];
      const [min, max] = [number('min', i), number('max', i)];
      return [series.id, Number(t?.[i]) / 1_000, first, last, min, max, number('count', i) ?? 0];
    });
  });
}

/** What has become the subscription's since the last time; undefined where nothing can have. */
function questionOf(poll: Poll, nowMs: number): RangeQuestion | undefined {
  const { stepMs, page, again } = poll;
  const startUs = page?.startUs ?? again?.startUs ?? poll.fromUs;
  const endUs = page?.endUs ?? again?.endUs ?? floorTo(nowMs, stepMs) * 1_000;
  if (endUs <= startUs) return undefined;
  const domain = { startUs, endUs, offsetUs: 0, fill: 'none' } as const;
  if (stepMs === 0) {
    return { ...domain, resolution: { kind: 'raw', limit: POINTS_A_FRAME }, aggregates: ['m4'] };
  }
  const aggregates = ['first', 'last', 'min', 'max', 'count'] as const;
  return { ...domain, resolution: { kind: 'step', stepMs, originMs: 0 }, aggregates };
}

function frameOf(id: string, poll: Poll, { answer, tables }: RangeResult): ServerFrame | undefined {
  const cursor = encodeCursor(answer.position);
  if (poll.stepMs === 0) {
    const points = pointsOf(tables);
    return points.length === 0 ? undefined : dataFrame({ id, cursor, points, dropped: 0 });
  }
  const buckets = bucketsOf(tables);
  const dropped = buckets.reduce((sum, [, , , , , , count]) => sum + count, 0);
  return buckets.length === 0
    ? undefined
    : { type: 'summary', id, cursor, step_ms: poll.stepMs, buckets, dropped };
}

/** Whether the limits of its subject and tenant leave room for a reading. */
function hasRoom({ services, right }: Connection): boolean {
  try {
    services.limits.checkReading(right.claims);
    return true;
  } catch {
    return false;
  }
}

/** A question was answered to its end. */
function advance(poll: Poll, endUs: number): void {
  if (poll.again === undefined) {
    poll.fromUs = Math.max(poll.fromUs, endUs);
    poll.readingToUs = poll.fromUs;
  }
  poll.again = undefined;
}

async function pollOnce(connection: Connection, one: Held, poll: Poll): Promise<void> {
  const { services, transport, held, right } = connection;
  const { frame, subscription } = one;
  const isCurrent = () => held.get(frame.id) === one && one.stage === 'flowing';
  if (!decideAgain(connection) || !isCurrent()) return;
  const nowMs = services.clock();
  if (poll.page === undefined) poll.again ??= nextAgain(poll);
  const { narrowings, again } = poll;
  if (again === undefined) poll.againLeft = AGAIN_MAX;
  const question = questionOf(poll, nowMs);
  if (question === undefined) return;
  if (again === undefined) poll.readingToUs = question.endUs;
  const { grant } = right;
  const ids = Array.from(subscription.seriesIds).filter((id) => again?.seriesIds.has(id) ?? true);
  const allowed = shownByIds(new Set(ids), grant, services.catalogue);
  const result = await within(READ_MAX_MS, goneSignal(connection), (ended) => {
    const sources = { feed: services.feed, rangeReader: services.readerOf(right.claims, ended) };
    return readRange(allowed, question, grant, sources, nowMs * 1_000, poll.page);
  });
  // Read under a right that may be another one by now; then it is read again.
  if (!settle(connection) || !isCurrent() || poll.narrowings !== narrowings) return;
  const { answer } = result;
  const { startUs, endUs } = question;
  poll.page = answer.next === undefined ? undefined : { startUs, endUs, after: answer.next };
  if (poll.page === undefined) advance(poll, answer.endUs);
  const sent = frameOf(frame.id, poll, result);
  if (sent === undefined) return;
  flushAll(connection);
  transport.send(sent, encodeCursor(answer.position));
  if (isDataFrame(sent)) services.counters.delivered.inc(sent.points.length);
  else services.counters.dropped.inc(Number(sent.dropped));
}

/** How long nothing is read. Stretches that are read again are followed by what is read on at once. */
function pauseMsOf({ page, againLeft, touched, everyMs }: Poll): number {
  if (page !== undefined || againLeft < AGAIN_MAX) return 0;
  return touched.size > 0 ? EVERY_MIN_MS : everyMs;
}

/** Reads for those subscriptions whose time has come; one that is still being read for waits. */
export function pollDue(connection: Connection, nowMs: number): void {
  for (const one of connection.held.values()) {
    const { poll, stage } = one;
    if (poll === undefined || stage !== 'flowing') continue;
    if (poll.isBusy || poll.nextMs > nowMs) continue;
    if (!isFlowing(connection)) return;
    if (!hasRoom(connection)) {
      // Nothing is lost: what it waits for is in the table.
      poll.nextMs = nowMs + EVERY_MIN_MS;
      continue;
    }
    const leave = connection.services.limits.enterReading(connection.right.claims);
    poll.isBusy = true;
    let hasFailed = false;
    pollOnce(connection, one, poll)
      .catch((thrown: unknown) => {
        hasFailed = true;
        fail(connection, thrown, one.frame.id);
      })
      .finally(() => {
        leave();
        poll.isBusy = false;
        poll.nextMs = nowMs + (hasFailed ? EVERY_MIN_MS : pauseMsOf(poll));
      });
  }
}
