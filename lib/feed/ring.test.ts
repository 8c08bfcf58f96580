import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { decodeCursor, encodeCursor, type FeedBody, type FeedRecord } from './feed.ts';
import { createRing } from './ring.ts';

const log = createLog('silent');

function readings(points: number, value: number | string = 1): FeedBody {
  return {
    kind: 'readings',
    seriesIds: new Array(points).fill(1),
    timesUs: new Array(points).fill(0),
    values: new Array(points).fill(value),
    qualities: new Array(points).fill(0),
  };
}

function ring(limits: { recordsMax?: number; pointsMax?: number; bytesMax?: number } = {}) {
  return createRing({ recordsMax: 8, pointsMax: 1_000, log, ...limits });
}

describe('the ring', () => {
  it('gives every record after a position, in order', async () => {
    const feed = ring();
    const start = await feed.position();
    await feed.append(readings(1));
    const second = await feed.append({ kind: 'gap' });
    const read = await feed.readAfter(start);
    expect(read).toMatchObject({
      recovered: true,
      records: [{ kind: 'readings' }, { kind: 'gap' }],
    });
    expect(await feed.readAfter(second)).toEqual({ recovered: true, records: [] });
  });

  it('says that it cannot recover what it has forgotten, what is of another epoch, and what is not yet', async () => {
    const feed = ring({ recordsMax: 2 });
    const start = await feed.position();
    for (let i = 0; i < 3; i += 1) await feed.append({ kind: 'gap' });
    expect(await feed.readAfter(start)).toEqual({ recovered: false });
    expect(await feed.readAfter({ epoch: start.epoch, offset: 1 })).toMatchObject({
      recovered: true,
    });
    expect(await feed.readAfter({ epoch: 'other', offset: 3 })).toEqual({ recovered: false });
    expect(await feed.readAfter({ epoch: start.epoch, offset: 4 })).toEqual({ recovered: false });
  });

  it('tells a follower what is appended after it began, until it ends', async () => {
    const feed = ring();
    await feed.append({ kind: 'gap' });
    const seen: FeedRecord[] = [];
    const end = feed.follow((record) => seen.push(record));
    await feed.append(readings(2));
    end();
    await feed.append(readings(3));
    expect(seen.map((record) => record.position.offset)).toEqual([2]);
  });

  it('keeps telling the others when one follower throws', async () => {
    const feed = ring();
    const seen: number[] = [];
    feed.follow(() => {
      throw new Error('broken follower');
    });
    feed.follow((record) => seen.push(record.position.offset));
    await feed.append({ kind: 'gap' });
    expect(seen).toEqual([1]);
  });

  it('passes a batch that is larger than it may keep, and then cannot recover', async () => {
    const feed = ring({ pointsMax: 10 });
    const start = await feed.position();
    const seen: FeedRecord[] = [];
    feed.follow((record) => seen.push(record));
    const position = await feed.append(readings(11));
    expect(seen).toHaveLength(1);
    expect(await feed.readAfter(start)).toEqual({ recovered: false });
    expect(await feed.readAfter(position)).toEqual({ recovered: true, records: [] });
  });

  it('counts the bytes of texts', async () => {
    const feed = ring({ bytesMax: 1_000 });
    const start = await feed.position();
    await feed.append(readings(1, 'x'.repeat(2_000)));
    expect(await feed.readAfter(start)).toEqual({ recovered: false });
  });

  it('never holds more than its limits, and always the newest records without a hole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 60 }),
        async (sizes) => {
          const metrics = createMetrics();
          const feed = createRing({ recordsMax: 5, pointsMax: 20, log, metrics });
          const epoch = (await feed.position()).epoch;
          for (const size of sizes) {
            await feed.append(readings(size));
            const text = await metrics.exposition();
            expect(gaugeOf(text, 'tailrace_feed_records_size')).toBeLessThanOrEqual(5);
            expect(gaugeOf(text, 'tailrace_feed_points_size')).toBeLessThanOrEqual(20);
          }
          const kept = gaugeOf(await metrics.exposition(), 'tailrace_feed_records_size');
          const read = await feed.readAfter({ epoch, offset: sizes.length - kept });
          if (!read.recovered) throw new Error('the ring forgot what it counts');
          expect(read.records.map((record) => record.position.offset)).toEqual(
            Array.from({ length: kept }, (_, i) => sizes.length - kept + i + 1),
          );
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a cursor', () => {
  it('brings every position back', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        (epoch, offset) => {
          expect(decodeCursor(encodeCursor({ epoch, offset }))).toEqual({ epoch, offset });
        },
      ),
    );
  });

  it.each(['', '.', 'a', 'a.', '.1', 'a.-1', 'a.1.2', 'a b.1', 'a.zzzzzzzzzzzz'])(
    'is refused where nobody made it: %j',
    (text) => {
      expect(decodeCursor(text)).toBeUndefined();
    },
  );
});

function gaugeOf(exposition: string, name: string): number {
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(exposition);
  if (found === null) throw new Error(`no ${name} in the exposition`);
  return Number(found[1]);
}
