import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Frame, FrameBucket, FramePoint } from './frames.ts';
import { createView } from './view.ts';

const data = (points: readonly FramePoint[], dropped = 0): Frame => ({
  ...{ type: 'data', id: 'a', cursor: 'c', points, dropped },
});
const summary = (buckets: readonly FrameBucket[], dropped: number): Frame => ({
  ...{ type: 'summary', id: 'a', cursor: 'c', buckets, dropped },
});
const series = (id: number) => ({
  ...{ id, asset: 'rig-1', channel: `c${id}`, labels: {}, unit: null, kind: 'number' as const },
});
const range = { start: 0, end: 100, step_ms: 10, level: 'raw', complete: true };

describe('a view', () => {
  it('holds the newest value of each time, in order, however points come', () => {
    const point = fc.tuple(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 0, max: 20 }),
      fc.integer(),
    );
    fc.assert(
      fc.property(fc.array(fc.array(point)), (batches) => {
        const view = createView();
        const expected = new Map<number, Map<number, number>>();
        for (const batch of batches) {
          view.take(data(batch));
          for (const [id, t, v] of batch) {
            expected.set(id, (expected.get(id) ?? new Map()).set(t, v));
          }
        }
        for (const id of [1, 2, 3]) {
          const sorted = [...(expected.get(id) ?? [])].toSorted(([a], [b]) => a - b);
          expect(view.points(id)).toEqual(sorted.map(([t, v]) => ({ t, v, q: 0 })));
        }
      }),
    );
  });

  it('takes the extremes of buckets as points, and what came before in their place goes', () => {
    const view = createView();
    view.take(
      data([
        [1, 5, 1],
        [1, 200, 7],
      ]),
    );
    const columns = {
      first: [3],
      t_first: [1],
      min: [0],
      t_min: [8],
      max: [9],
      t_max: [4],
      last: [3],
      t_last: [9],
    };
    const one = { id: 1, asset: 'rig-1', channel: 'c1', t: [0], ...columns };
    view.take({ type: 'snapshot', id: 'a', cursor: 'c', range, series: [one] });
    expect(view.points(1).map(({ t, v }) => [t, v])).toEqual([
      [1, 3],
      [4, 9],
      [8, 0],
      [9, 3],
      [200, 7],
    ]);
  });

  it('keeps summaries, once each, and counts what was dropped', () => {
    const view = createView();
    const bucket: FrameBucket = [1, 1_000, 1, 2, 0, 3, 10];
    view.take(summary([[1, 2_000, 1, 1, 1, 1, 1], bucket], 11));
    view.take(summary([bucket], 10));
    view.take(data([], 4));
    expect([view.buckets(1).map(([, t]) => t), view.dropped]).toEqual([[1_000, 2_000], 25]);
  });

  it('follows series that come and go, and says where points were missed', () => {
    const view = createView();
    const subscribed = { type: 'subscribed', id: 'a', cursor: 'c', recovered: false } as const;
    view.take({ ...subscribed, series: [series(1), series(2)] });
    view.take({ type: 'series', id: 'a', added: [series(3)], removed: [1] });
    expect([view.seriesIds, view.gaps]).toEqual([[2, 3], 1]);
    view.take({ type: 'snapshot', id: 'a', cursor: 'c', range, series: [] });
    expect(view.gaps).toBe(0);
  });

  it('is bounded: the oldest points and summaries go', () => {
    const view = createView({ pointsMax: 100 });
    for (let t = 0; t < 1_000; t += 1) {
      view.take(data([[1, t, t]]));
      view.take(summary([[1, t, 0, 0, 0, 0, 1]], 1));
    }
    expect(view.points(1).length).toBeLessThanOrEqual(100);
    expect(view.buckets(1).length).toBeLessThanOrEqual(100);
    expect(view.points(1).at(-1)?.t).toBe(999);
  });
});
