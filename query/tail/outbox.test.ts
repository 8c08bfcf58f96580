import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createOutbox, type Lag, type Outbox } from './outbox.ts';
import { makePoint, pointText } from './point.ts';
import type { Bucket } from './waiting.ts';

const at = (offset: number) => ({ epoch: 'e', offset });
const start = at(0);

function push(outbox: Outbox, id: number, timeUs: number, value: number | string, quality = 0) {
  outbox.push(makePoint(id, timeUs / 1_000, value, quality));
}

/** What an outbox gives, points as they stand in frames. */
function take(outbox: Outbox, lag: Lag = 'long') {
  const batch = outbox.take(lag);
  if (batch?.kind !== 'data') return batch;
  return { ...batch, points: batch.points.map((point) => JSON.parse(pointText(point))) };
}

describe('an outbox', () => {
  it('gives points back as they came, with how far they bring the client', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    push(outbox, 1, 1_500, 2);
    push(outbox, 2, 2_000, 'on', 3);
    outbox.reached(at(7));
    expect(take(outbox)).toEqual({
      kind: 'data',
      points: [
        [1, 1.5, 2],
        [2, 2, 'on', 3],
      ],
      position: at(7),
      dropped: 0,
    });
    expect([take(outbox), outbox.bytes]).toEqual([undefined, 0]);
  });

  it('ends a frame where a record of the feed ends, so that its cursor is true', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    for (let record = 1; record <= 3; record += 1) {
      for (let i = 0; i < 4_000; i += 1) push(outbox, 1, i, i);
      outbox.reached(at(record));
    }
    const frames = [take(outbox), take(outbox), take(outbox)];
    expect(frames.map((frame) => frame?.position.offset)).toEqual([2, 3, undefined]);
    expect(frames[0]).toMatchObject({ points: { length: 8_000 } });
  });

  it('keeps the newest point of each series where only that is wanted', () => {
    const outbox = createOutbox({ latestOnly: true, start });
    push(outbox, 1, 3_000, 30);
    push(outbox, 1, 2_000, 20);
    push(outbox, 2, 1_000, 10);
    outbox.reached(at(1));
    expect(take(outbox)).toEqual({
      kind: 'data',
      points: [
        [1, 3, 30],
        [2, 1, 10],
      ],
      position: at(1),
      dropped: 1,
    });
  });

  it('becomes buckets of a second, in order of time whatever the order of arrival', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    push(outbox, 1, 1_900_000, 9);
    push(outbox, 1, 1_100_000, 1);
    push(outbox, 2, 5_000_000, 'on');
    outbox.reached(at(1));
    expect(outbox.conflate()).toBe(true);
    push(outbox, 1, 1_500_000, -4);
    push(outbox, 2, 5_500_000, 'off');
    outbox.reached(at(2));
    expect(take(outbox)).toEqual({
      kind: 'summary',
      stepMs: 1_000,
      buckets: [
        [1, 1_000, 1, 9, -4, 9, 3],
        [2, 5_000, 'on', 'off', null, null, 2],
      ],
      position: at(2),
      dropped: 5,
    });
  });

  it('gives the newest point of each series to who was behind for a moment only', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    push(outbox, 1, 1_900_000, 9, 2);
    push(outbox, 1, 1_100_000, 1);
    push(outbox, 2, 5_000_000, 'on');
    outbox.reached(at(1));
    outbox.conflate();
    push(outbox, 1, 500_000, 7);
    outbox.reached(at(2));
    const points = [
      [1, 1_900, 9, 2],
      [2, 5_000, 'on'],
    ];
    expect(outbox.count).toBe(4);
    expect(take(outbox, 'short')).toEqual({ kind: 'data', points, position: at(2), dropped: 2 });
    expect([take(outbox), outbox.bytes]).toEqual([undefined, 0]);
  });

  it('is a stream of points again once the summary is sent', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    push(outbox, 1, 0, 1);
    outbox.reached(at(1));
    outbox.conflate();
    take(outbox);
    push(outbox, 1, 1_000, 2);
    outbox.reached(at(2));
    expect(take(outbox)).toMatchObject({ kind: 'data', points: [[1, 1, 2]], dropped: 0 });
  });

  it('cannot be made smaller for ever', () => {
    const outbox = createOutbox({ latestOnly: false, start });
    expect(outbox.conflate()).toBe(false);
    push(outbox, 1, 0, 1);
    let steps = 0;
    while (outbox.conflate()) steps += 1;
    expect(steps).toBeLessThan(20);
  });

  it('forgets a series without a trace, whatever waits of it and however', () => {
    const point = fc.record({
      series: fc.integer({ min: 1, max: 4 }),
      t: fc.integer({ min: 0, max: 20_000_000 }),
      conflate: fc.boolean(),
      ends: fc.boolean(),
    });
    const kept = fc.subarray([1, 2, 3, 4]).map((ids) => new Set(ids));
    fc.assert(
      fc.property(fc.array(point), kept, fc.boolean(), (points, ids, latestOnly) => {
        const [all, own] = [
          createOutbox({ latestOnly, start }),
          createOutbox({ latestOnly, start }),
        ];
        const isOwn = ({ series }: { series: number }) => ids.has(series);
        const mayConflate = points.findIndex(isOwn);
        for (const [i, one] of points.entries()) {
          for (const outbox of isOwn(one) ? [all, own] : [all]) {
            push(outbox, one.series, one.t, i);
            if (one.ends || i === points.length - 1) outbox.reached(at(i + 1));
          }
          // An outbox without points cannot become buckets, so that both have to have some.
          if (one.conflate && i >= mayConflate && mayConflate >= 0) {
            for (const outbox of [all, own]) outbox.conflate();
          }
        }
        for (const outbox of [all, own]) outbox.reached(at(points.length));
        all.keepOnly(ids);
        expect(all.bytes).toBe(own.bytes);
        expect({ ...take(all), position: 0 }).toEqual({ ...take(own), position: 0 });
      }),
    );
  });

  it('loses no point from the count, no extreme and no end, however often it is conflated', () => {
    const point = fc.record({
      series: fc.integer({ min: 1, max: 3 }),
      t: fc.integer({ min: 0, max: 20_000_000 }),
      value: fc.integer({ min: -1_000, max: 1_000 }),
      conflate: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(point, { minLength: 1, maxLength: 200 }), (points) => {
        const outbox = createOutbox({ latestOnly: false, start });
        for (const [i, { series, t, value, conflate }] of points.entries()) {
          push(outbox, series, t * 1_000, value);
          outbox.reached(at(i));
          if (conflate) outbox.conflate();
        }
        outbox.conflate();
        const batch = take(outbox);
        if (batch?.kind !== 'summary') throw new Error('not conflated');
        expect(batch.dropped).toBe(points.length);
        for (const series of new Set(points.map((one) => one.series))) {
          const mine = points.filter((one) => one.series === series);
          const buckets = batch.buckets.filter(([id]) => id === series);
          const values = mine.map((one) => one.value);
          const sum = (pick: (bucket: Bucket) => number) =>
            buckets.reduce((total, bucket) => total + pick(bucket), 0);
          expect(sum(([, , , , , , count]) => count)).toBe(mine.length);
          expect(Math.min(...buckets.map((bucket) => Number(bucket[4])))).toBe(Math.min(...values));
          expect(Math.max(...buckets.map((bucket) => Number(bucket[5])))).toBe(Math.max(...values));
          const oldest = mine.toSorted((a, b) => a.t - b.t)[0];
          const firsts = mine.filter((one) => one.t === oldest?.t).map((one) => one.value);
          const firstBucket = buckets.toSorted((a, b) => a[1] - b[1])[0];
          expect(firsts).toContain(firstBucket?.[2]);
        }
      }),
      { numRuns: 60 },
    );
  });
});
