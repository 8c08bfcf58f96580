// What a subscription gives out, in any order of what happens to it, beside a count of what it was given.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedRecord, ReadingsRecord } from '../../lib/feed/feed.ts';
import { pointAt } from './point.ts';
import { createSubscription, type Subscription } from './subscription.ts';
import type { Batch } from './waiting.ts';

const NOW = Date.UTC(2026, 0, 2);
const SERIES = 3;

/** A record of as many points, of values that count on from `first`. */
function recordOf(offset: number, first: number, points: number): FeedRecord & ReadingsRecord {
  const rows = Array.from({ length: points }, (_, i) => first + i);
  return {
    ...{ kind: 'readings', position: { epoch: 'e', offset } },
    seriesIds: rows.map((value) => 1 + (value % SERIES)),
    timesUs: rows.map((value) => (NOW + value * 10) * 1_000),
    values: rows,
    qualities: rows.map(() => 0),
  };
}

const sizes = fc.array(fc.integer({ min: 1, max: 7 }), { maxLength: 12 });
const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('push'), points: fc.nat(7) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('take'), ms: fc.nat(3_000) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'conflate' }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'release' }) },
  ) as fc.Arbitrary<Step>,
  { maxLength: 40 },
);

type Step =
  | { readonly kind: 'push'; readonly points: number }
  | { readonly kind: 'take'; readonly ms: number }
  | { readonly kind: 'conflate' }
  | { readonly kind: 'release' };

/** A subscription that has missed records of these sizes, and what was counted of it. */
function openModel(missed: readonly number[], isPaced: boolean) {
  let nowMs = NOW;
  const subscription: Subscription = createSubscription({
    ...{ id: 'a', seriesIds: [1, 2, 3], clock: () => nowMs },
    ...{ position: { epoch: 'e', offset: 0 }, maxHz: isPaced ? 1_000 : undefined },
  });
  const given: { readonly offset: number; readonly points: number }[] = [];
  const batches: Batch[] = [];
  let next = 0;
  const record = (points: number) => {
    const made = recordOf(given.length + 1, next, points);
    next += points;
    given.push({ offset: made.position.offset, points });
    return made;
  };
  subscription.hold({ epoch: 'e', offset: missed.length });
  subscription.recoverFrom({ epoch: 'e', offset: 0 });
  const recovering = missed.map(record);

  function take(ms: number): boolean {
    nowMs += ms;
    const batch = subscription.take(nowMs);
    if (batch !== undefined) batches.push(batch);
    return batch !== undefined;
  }

  return {
    ...{ subscription, batches, given, take },
    /** All points but those that `take` gave out, or that it said were left out. */
    waiting: () => next - batches.reduce((sum, batch) => sum + told(batch), 0),
    recoverOne(): void {
      const one = recovering.shift();
      if (one === undefined) return;
      const half = Math.floor(one.seriesIds.length / 2);
      subscription.recover(one, 0, half);
      subscription.recover(one, half, one.seriesIds.length);
    },
    push(points: number): void {
      const made = record(points);
      for (let row = 0; row < points; row += 1) subscription.push(pointAt(made, row), nowMs);
      subscription.reached(made.position);
    },
    release(): void {
      while (recovering.length > 0) this.recoverOne();
      subscription.release();
    },
  };
}

const told = (batch: Batch) => (batch.kind === 'data' ? batch.points.length : 0) + batch.dropped;

function run(missed: readonly number[], those: readonly Step[], isPaced: boolean) {
  const model = openModel(missed, isPaced);
  let isReleased = false;
  const release = () => {
    if (!isReleased) model.release();
    isReleased = true;
  };
  for (const step of those) {
    if (!isReleased) model.recoverOne();
    if (step.kind === 'push') model.push(step.points);
    else if (step.kind === 'take') model.take(step.ms);
    else if (step.kind === 'conflate') model.subscription.conflate();
    else release();
  }
  release();
  while (model.take(1_000));
  return model;
}

describe('a subscription', () => {
  it('gives each point out once or counts it as dropped, and never says that it has come further', () => {
    fc.assert(
      fc.property(sizes, steps, fc.boolean(), (missed, those, isPaced) => {
        const { batches, given, waiting, subscription } = run(missed, those, isPaced);
        expect(waiting()).toBe(0);
        expect(subscription.count).toBe(0);
        expect(subscription.behind).toBeUndefined();
        let sum = 0;
        let reached = 0;
        for (const batch of batches) {
          sum += told(batch);
          const { offset } = batch.position;
          expect(offset).toBeGreaterThanOrEqual(reached);
          reached = offset;
          const due = given.filter((one) => one.offset <= offset);
          expect(sum).toBeGreaterThanOrEqual(due.reduce((all, { points }) => all + points, 0));
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives every point in order where it is never conflated: what was missed, then what was held', () => {
    fc.assert(
      fc.property(sizes, steps, (missed, those) => {
        const kept = those.filter(({ kind }) => kind !== 'conflate');
        const { batches, given } = run(missed, kept, false);
        const values = batches.flatMap((batch) =>
          batch.kind === 'data' ? batch.points.map(({ value }) => value) : [],
        );
        const all = given.reduce((sum, { points }) => sum + points, 0);
        expect(values).toEqual(Array.from({ length: all }, (_, i) => i));
      }),
      { numRuns: 500 },
    );
  });

  it('holds more than it can keep as summaries, and closes nobody for it', () => {
    const model = openModel([], false);
    for (let i = 0; i < 20; i += 1) model.push(10_000);
    expect(model.subscription.overflowed).toBe(false);
    expect(model.subscription.heldBytes).toBeLessThan(4 << 20);
    model.release();
    while (model.take(5_000));
    expect(model.waiting()).toBe(0);
    expect(model.batches.map(({ kind }) => kind)).toEqual(['summary']);
  });
});
