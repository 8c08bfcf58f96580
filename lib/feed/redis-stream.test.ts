import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { Feed, FeedBody, FeedRecord } from './feed.ts';
import { decodeBody, encodeBody, encodeWithin } from './record-codec.ts';
import { openRedisStream } from './redis-stream.ts';

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});

afterAll(() => redis.stop());

// Each test begins with an empty Redis.
beforeEach(() => redis.restart());

async function open(recordsMax?: number): Promise<Feed> {
  const feed = await openRedisStream({
    url: redis.url,
    log: createLog('silent'),
    metrics: createMetrics(),
    ...(recordsMax === undefined ? {} : { keptMax: { records: recordsMax } }),
  });
  onTestFinished(() => feed.stop());
  return feed;
}

function readings(value: number | string): FeedBody {
  return {
    kind: 'readings',
    seriesIds: Int32Array.of(1),
    timesUs: Float64Array.of(1_700_000_000_000_001),
    values: typeof value === 'number' ? Float64Array.of(value) : [value],
    qualities: Int16Array.of(0),
  };
}

function columnsOf(values: readonly (number | string)[]) {
  return {
    seriesIds: values.map((_, i) => i),
    timesUs: values.map((_, i) => i),
    values,
    qualities: values.map(() => 0),
  };
}

/** Gives the records that a feed tells, one a call. */
function listen(feed: Feed): () => Promise<FeedRecord> {
  const records: FeedRecord[] = [];
  const waiting: ((record: FeedRecord) => void)[] = [];
  feed.follow((record) => {
    const give = waiting.shift();
    if (give === undefined) records.push(record);
    else give(record);
  });
  return () =>
    new Promise((give) => {
      const record = records.shift();
      if (record === undefined) waiting.push(give);
      else give(record);
    });
}

describe('a feed in Redis', () => {
  it('tells the followers of every process, in order, with offsets that grow by one', async () => {
    const [one, two] = [await open(), await open()];
    const heard = listen(two);
    const first = await one.append(readings(1));
    await two.append(readings('on'));
    await one.append({ kind: 'series', ids: [7] });
    const records = [await heard(), await heard(), await heard()];
    expect(records.map((record) => record.position)).toEqual(
      [0, 1, 2].map((more) => ({ epoch: first.epoch, offset: first.offset + more })),
    );
    expect(records.map(({ position: _, ...body }) => body)).toEqual([
      readings(1),
      readings('on'),
      { kind: 'series', ids: [7] },
    ]);
  });

  it('gives what came after a position, to a process that was not there then', async () => {
    const one = await open();
    const start = await one.position();
    for (let i = 0; i < 500; i += 1) await one.append({ kind: 'series', ids: [i] });
    const read = await (await open()).readAfter(start);
    if (!read.recovered) throw new Error('not recovered');
    expect(read.records.map((record) => record.kind === 'series' && record.ids[0])).toEqual(
      Array.from({ length: 500 }, (_, i) => i),
    );
    expect(await one.readAfter(await one.position())).toEqual({ recovered: true, records: [] });
  });

  it('says that it cannot recover what was trimmed, what is of another log, and what is not yet', async () => {
    const feed = await open(100);
    const start = await feed.position();
    for (let i = 0; i < 400; i += 1) await feed.append(readings(i));
    const { epoch, offset } = await feed.position();
    expect(await feed.readAfter(start)).toEqual({ recovered: false });
    expect(await feed.readAfter({ epoch: 'other', offset })).toEqual({ recovered: false });
    expect(await feed.readAfter({ epoch, offset: offset + 1 })).toEqual({ recovered: false });
    expect(await feed.readAfter({ epoch, offset: offset - 50 })).toMatchObject({ recovered: true });
  });

  it('outlives a Redis that lost everything: a new epoch, and a gap for those who follow', async () => {
    const feed = await open();
    const heard = listen(feed);
    const before = await feed.append(readings(1));
    await heard();
    await redis.restart();
    const after = await feed.append(readings(2));
    expect(after.epoch).not.toBe(before.epoch);
    expect((await heard()).kind).toBe('gap');
    // The record behind the gap may be told once more; it is never missed.
    const next = await feed.append(readings(3));
    let record = await heard();
    while (record.position.offset < next.offset) record = await heard();
    expect(record.position).toEqual(next);
    expect(await feed.readAfter(before)).toEqual({ recovered: false });
  });

  it('divides what is too much for one record: followers and those who resume hear all of it', async () => {
    const feed = await open();
    const start = await feed.position();
    const heard = listen(feed);
    // 5 MB of readings, more than Redis is given at a time.
    const values = Array.from({ length: 80 }, (_, i) => `${i} `.padEnd(65_536, 'ü'));
    const newest = await feed.append({
      kind: 'readings',
      seriesIds: new Int32Array(80).fill(1),
      timesUs: Float64Array.from(values, (_, i) => i),
      values,
      qualities: new Int16Array(80),
    });
    const told: FeedRecord[] = [];
    do told.push(await heard());
    while ((told.at(-1) as FeedRecord).position.offset < newest.offset);
    expect(told.length).toBeGreaterThan(4);
    expect(told.flatMap((one) => (one.kind === 'readings' ? [...one.values] : []))).toEqual(values);
    expect(await feed.readAfter(start)).toEqual({ recovered: true, records: told });
  });

  it('ends what waits when it is stopped', async () => {
    const feed = await open();
    await feed.stop();
    await feed.stop();
    await expect(feed.append(readings(1))).rejects.toMatchObject({ code: 'stopped' });
  });
});

describe('a record as bytes', () => {
  it('is the same when it is read back, to the bit', () => {
    const value = fc.double({ noNaN: true });
    const mixedValue = fc.oneof(value, fc.string());
    const rows = fc.array(fc.record({ id: fc.nat(1e9), t: fc.integer(), v: value, q: fc.nat(99) }));
    fc.assert(
      fc.property(rows, fc.array(mixedValue), (numbers, mixed) => {
        const columns: FeedBody = {
          kind: 'readings',
          seriesIds: Int32Array.from(numbers, (one) => one.id),
          timesUs: Float64Array.from(numbers, (one) => one.t),
          values: Float64Array.from(numbers, (one) => one.v),
          qualities: Int16Array.from(numbers, (one) => one.q),
        };
        expect(decodeBody(encodeBody(columns))).toStrictEqual(columns);
        const values = [...mixed, 'text'];
        expect(decodeBody(encodeBody({ ...columns, values }))).toStrictEqual({
          ...columns,
          values,
        });
      }),
    );
  });

  it('is divided into records that are no larger than asked for, which are the same together', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true }),
      fc.string({ maxLength: 60, unit: 'binary' }),
    );
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 60 }),
        fc.integer({ min: 350, max: 3_000 }),
        (values, bytesMax) => {
          const parts = encodeWithin({ kind: 'readings', ...columnsOf(values) }, bytesMax);
          for (const part of parts) expect(part.length).toBeLessThanOrEqual(bytesMax);
          const bodies = parts.map((part) => decodeBody(part) as FeedBody & { kind: 'readings' });
          expect(bodies.flatMap((body) => [...body.values])).toEqual(values);
          expect(bodies.flatMap((body) => [...body.seriesIds])).toEqual(values.map((_, i) => i));
        },
      ),
    );
    const ids = Array.from({ length: 1_000 }, (_, i) => 1e9 + i);
    const series = encodeWithin({ kind: 'series', ids }, 2_000).map(decodeBody);
    expect(series.flatMap((body) => (body.kind === 'series' ? body.ids : []))).toEqual(ids);
    expect(series.length).toBeGreaterThan(2);
  });

  it('that is too large and cannot be divided is a gap', () => {
    const all = { kind: 'readings', ...columnsOf(['on', 'x'.repeat(1_000), 3]) } as const;
    const kinds = encodeWithin(all, 1_000).map((part) => decodeBody(part).kind);
    expect(kinds).toEqual(['readings', 'gap', 'readings']);
  });

  it('of a kind that nobody knows is a gap', () => {
    const unknown = { kind: 'later' } as unknown as FeedBody;
    expect(decodeBody(encodeBody(unknown))).toEqual({ kind: 'gap' });
  });
});
