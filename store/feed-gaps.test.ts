// What the feed misses, on a real database: kept, heard of by every process, and settled in the place of those who are gone.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TailraceError } from '../lib/errors.ts';
import type { FeedBody } from '../lib/feed/feed.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { openFeedGaps } from './feed-gaps.ts';
import { claimFeedWriter, startFeedSweep } from './feed-writer.ts';
import { batchOf } from './testing.ts';
import { createWriter } from './writer.ts';

const log = createLog('silent');
let opened: TestDatabase;
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  await opened.database.writer.query('truncate tailrace.feed_writer');
});

/** What one process sees of the account. */
async function process(tellEveryMs = 3_600_000) {
  const gaps = await openFeedGaps({ database: opened.database, log, lookEveryMs: 10, tellEveryMs });
  ends.push(() => gaps.stop());
  let heard = 0;
  gaps.watch(() => {
    heard += 1;
  });
  return { gaps, heard: () => heard };
}

async function rows(): Promise<{ id: number; owes: boolean }[]> {
  const { rows: all } = await opened.database.writer.query<{ id: number; owes: boolean }>(
    'select id, owes from tailrace.feed_writer order by id',
  );
  return all;
}

async function claim() {
  const writer = await claimFeedWriter(opened.database, log);
  let stopping: Promise<void> | undefined;
  const stop = (isThrough: boolean) => {
    stopping ??= writer.stop(isThrough);
    return stopping;
  };
  ends.push(() => stop(true));
  return { id: writer.id, stop };
}

/** A feed of which it is said whether it takes anything. */
function feedOf(takes: { yes: boolean }) {
  const appended: FeedBody[] = [];
  return {
    appended,
    async append(body: FeedBody) {
      if (!takes.yes) throw new TailraceError('feed_unavailable', 'not now');
      appended.push(body);
      return { epoch: 'e', offset: appended.length };
    },
  };
}

/** Looks once for processes that are gone; `isAlone` as with the embedded engine of a process. */
async function sweepOnce(
  feed: ReturnType<typeof feedOf>,
  isAlone: boolean,
  own?: number,
): Promise<void> {
  const database = { ...opened.database, embedded: isAlone, writer: opened.database.writer };
  const part = await startFeedSweep({ database, feed, own: () => own, log, sweepEveryMs: 1e9 });
  await part.stop();
}

describe('points that the feed did not take', () => {
  it('are heard of by every process, and keep cursors from leading over them until they are settled', async () => {
    const [ingesting, following] = [await process(), await process()];
    const { id } = await claim();
    ingesting.gaps.actAs(id);
    await ingesting.gaps.owe();
    expect(await rows()).toEqual([{ id, owes: true }]);
    expect(ingesting.gaps.isOwed).toBe(true);
    await eventually(
      async () => following.heard(),
      (times) => times === 1,
    );
    expect(following.gaps.isOwed).toBe(true);
    await ingesting.gaps.settle();
    expect(await rows()).toEqual([{ id, owes: false }]);
    await eventually(
      async () => following.gaps.isOwed,
      (isOwed) => !isOwed,
    );
    expect(following.heard()).toBe(1);
  });

  it('are told of again where more are missed, not more often than is good', async () => {
    const following = await process();
    const { id } = await claim();
    const patient = await process();
    patient.gaps.actAs(id);
    for (let missed = 0; missed < 50; missed += 1) await patient.gaps.owe();
    await eventually(
      async () => following.heard(),
      (times) => times === 1,
    );
    await patient.gaps.settle();
    const eager = await process(0);
    eager.gaps.actAs(id);
    await eager.gaps.owe();
    await eventually(
      async () => following.heard(),
      (times) => times === 2,
    );
    await eager.gaps.owe();
    await eventually(
      async () => following.heard(),
      (times) => times === 3,
    );
    await eager.gaps.settle();
  });

  it('cannot be owed by a process that commits nothing', async () => {
    const { gaps } = await process();
    await expect(gaps.owe()).rejects.toMatchObject({ code: 'feed_writer_unknown' });
  });
});

describe('a process that commits points', () => {
  it('is left alone while it lives, and leaves nothing where all is in the feed', async () => {
    const { id, stop } = await claim();
    expect(await rows()).toEqual([{ id, owes: false }]);
    const feed = feedOf({ yes: true });
    await sweepOnce(feed, false);
    await sweepOnce(feed, true, id);
    expect(feed.appended).toEqual([]);
    await stop(true);
    expect(await rows()).toEqual([]);
  });

  it('that is gone is found: a gap is appended in its place, once', async () => {
    const { id, stop } = await claim();
    await stop(false);
    expect(await rows()).toEqual([{ id, owes: false }]);
    const feed = feedOf({ yes: true });
    await sweepOnce(feed, true);
    await sweepOnce(feed, true);
    expect(feed.appended).toEqual([{ kind: 'gap' }]);
    expect(await rows()).toEqual([]);
  });

  it('that is gone while the feed takes nothing is told of, and settled when that takes records again', async () => {
    const following = await process();
    const { id, stop } = await claim();
    await stop(false);
    const takes = { yes: false };
    const feed = feedOf(takes);
    for (const _ of [1, 2]) await sweepOnce(feed, true);
    expect(await rows()).toEqual([{ id, owes: true }]);
    await eventually(
      async () => following.heard(),
      (times) => times === 1,
    );
    takes.yes = true;
    await sweepOnce(feed, true);
    expect(feed.appended).toEqual([{ kind: 'gap' }]);
    expect(await rows()).toEqual([]);
    expect(following.heard()).toBe(1);
  });

  it('and was taken for gone is accountable again with its next transaction', async () => {
    const { id } = await claim();
    await opened.database.writer.query('delete from tailrace.feed_writer');
    const { database } = opened;
    const writer = createWriter({ database, log, metrics: createMetrics(), feedWriter: id });
    ends.push(() => writer.stop());
    await writer.write(batchOf([{ id: 1, t: 1_000_000, v: 1 }]));
    expect(await rows()).toEqual([{ id, owes: false }]);
  });
});
