// Tails of those who may have delayed or coarser data only: what has become theirs is read from the table on a timer,
// by the same path as a range, so that no fresher or finer point ever comes near them.
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import { shownByIds } from '../choice.ts';
import { within } from '../range/deadline.ts';
import type { Page } from '../range/page.ts';
import { type RangeQuestion, type RangeResult, readRange } from '../range/read.ts';
import type { SeriesTable } from '../range/table.ts';
import { type Connection, fail, flushAll, type Held, isFlowing } from './connection.ts';
import { decideAgain, settle } from './decide.ts';
import { dataFrame, type ServerFrame } from './frames.ts';
import { makePoint, type Point } from './point.ts';
import type { Bucket } from './waiting.ts';

const EVERY_MIN_MS = 1_000;
const POINTS_A_FRAME = 5_000;
/** What takes longer is asked again. */
const READ_MAX_MS = 30_000;

export interface Poll {
  readonly everyMs: number;
  /** Buckets of this length instead of points; 0 for points. */
  readonly stepMs: number;
  /** Everything before has been sent. */
  fromUs: number;
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
  return {
    everyMs: Math.max(EVERY_MIN_MS, stepMs),
    stepMs,
    fromUs: floorTo(nowMs - delayMs, stepMs) * 1_000,
    page: undefined,
    narrowings: 0,
    nextMs: nowMs,
    isBusy: false,
  };
}

function floorTo(ms: number, stepMs: number): number {
  return stepMs === 0 ? ms : Math.floor(ms / stepMs) * stepMs;
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
  const { stepMs, page } = poll;
  const startUs = page?.startUs ?? poll.fromUs;
  const endUs = page?.endUs ?? floorTo(nowMs, stepMs) * 1_000;
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
  return buckets.length === 0 ? undefined : { type: 'summary', id, cursor, buckets, dropped };
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

async function pollOnce(connection: Connection, one: Held, poll: Poll): Promise<void> {
  const { services, transport, held, right } = connection;
  const { frame, subscription } = one;
  const isCurrent = () => held.get(frame.id) === one && one.stage === 'flowing';
  if (!decideAgain(connection) || !isCurrent()) return;
  const nowMs = services.clock();
  const question = questionOf(poll, nowMs);
  if (question === undefined) return;
  const { grant } = right;
  const { narrowings } = poll;
  const allowed = shownByIds(subscription.seriesIds, grant, services.catalogue);
  const result = await within(READ_MAX_MS, connection.gone.signal, (ended) => {
    const sources = { feed: services.feed, rangeReader: services.readerOf(right.claims, ended) };
    return readRange(allowed, question, grant, sources, nowMs * 1_000, poll.page);
  });
  // Read under a right that may be another one by now; then it is read again.
  if (!settle(connection) || !isCurrent() || poll.narrowings !== narrowings) return;
  const { answer } = result;
  const { startUs, endUs } = question;
  poll.page = answer.next === undefined ? undefined : { startUs, endUs, after: answer.next };
  if (poll.page === undefined) poll.fromUs = Math.max(poll.fromUs, answer.endUs);
  const sent = frameOf(frame.id, poll, result);
  if (sent === undefined) return;
  flushAll(connection);
  transport.send(sent, encodeCursor(answer.position));
  if (sent.type === 'data') services.counters.delivered.inc(pointsOf(result.tables).length);
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
    pollOnce(connection, one, poll)
      .catch((thrown: unknown) => fail(connection, thrown, one.frame.id))
      .finally(() => {
        leave();
        poll.isBusy = false;
        poll.nextMs = nowMs + (poll.page === undefined ? poll.everyMs : 0);
      });
  }
}
