import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  append,
  carryOver,
  emptyTrace,
  extent,
  indexAtOrBefore,
  indexClosest,
  type Trace,
  traceOf,
  trim,
} from './trace.ts';
import type { RangeSeries } from './wire.ts';

interface Point {
  t: number;
  v: number;
}

const points = fc
  .uniqueArray(
    fc.record({ t: fc.integer({ min: 0, max: 999 }), v: fc.integer({ min: -9, max: 9 }) }),
    {
      selector: ({ t }) => t,
      maxLength: 60,
    },
  )
  .map((all) => all.sort((a, b) => a.t - b.t));

/** m4 by hand: what a server would answer. */
function m4(all: readonly Point[], stepMs: number): RangeSeries {
  const buckets = new Map<number, Point[]>();
  for (const point of all) {
    const start = Math.floor(point.t / stepMs) * stepMs;
    buckets.set(start, [...(buckets.get(start) ?? []), point]);
  }
  const answer = {
    id: 1,
    t: [] as number[],
    first: [] as number[],
    t_first: [] as number[],
    last: [] as number[],
    t_last: [] as number[],
    min: [] as number[],
    t_min: [] as number[],
    max: [] as number[],
    t_max: [] as number[],
  };
  for (const [start, members] of buckets) {
    const sorted = members.toSorted((a, b) => a.v - b.v);
    const of = { first: members[0], last: members.at(-1), min: sorted[0], max: sorted.at(-1) };
    answer.t.push(start);
    for (const name of ['first', 'last', 'min', 'max'] as const) {
      answer[name].push(of[name]?.v ?? 0);
      answer[`t_${name}`].push(of[name]?.t ?? 0);
    }
  }
  return answer;
}

const pairs = (trace: Trace): Point[] => trace.t.map((t, index) => ({ t, v: trace.v[index] ?? 0 }));

describe('the line of an m4 answer', () => {
  it('runs through real points only, in order, and through every extreme', () => {
    fc.assert(
      fc.property(points, fc.constantFrom(1, 7, 50, 2_000), (all, stepMs) => {
        const trace = traceOf(m4(all, stepMs), stepMs);
        const drawn = pairs(trace);
        for (const point of drawn) expect(all).toContainEqual(point);
        expect(trace.t).toEqual(trace.t.toSorted((a, b) => a - b));
        expect(new Set(trace.t).size).toBe(trace.t.length);
        const whole = {
          min: Math.min(...all.map(({ v }) => v)),
          max: Math.max(...all.map(({ v }) => v)),
        };
        if (all.length > 0) expect(extent(trace, 0, 1_000)).toEqual(whole);
      }),
    );
  });

  it('has every point where a bucket holds no more than one', () => {
    fc.assert(
      fc.property(points, (all) => {
        expect(pairs(traceOf(m4(all, 1), 1))).toEqual(all);
      }),
    );
  });

  it('is the points themselves where they are raw', () => {
    const trace = traceOf({ id: 1, t: [1, 2], v: [3, 4] }, null);
    expect(pairs(trace)).toEqual([
      { t: 1, v: 3 },
      { t: 2, v: 4 },
    ]);
    expect(trace.band).toBeUndefined();
  });
});

describe('what the tail appends', () => {
  it('comes out in order of time, the newest value of each, however it came in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ t: fc.integer({ min: 0, max: 30 }), v: fc.integer() })),
        (all) => {
          const trace = emptyTrace();
          for (const { t, v } of all) append(trace, t, v);
          const expected = new Map(all.map(({ t, v }) => [t, v]));
          expect(pairs(trace)).toEqual(
            [...expected].map(([t, v]) => ({ t, v })).sort((a, b) => a.t - b.t),
          );
        },
      ),
    );
  });

  it('is stale where it belongs among buckets, unless nothing is new about it', () => {
    const trace = traceOf(
      m4(
        [
          { t: 10, v: 1 },
          { t: 20, v: 2 },
        ],
        100,
      ),
      100,
    );
    expect(append(trace, 15, 9)).toBe('stale');
    expect(append(trace, 20, 9)).toBe('stale');
    expect(append(trace, 20, 2)).toBe('corrected');
    expect(append(trace, 25, 3)).toBe('appended');
    expect(append(trace, 25, 4)).toBe('corrected');
    expect(pairs(trace).at(-1)).toEqual({ t: 25, v: 4 });
  });

  it('is kept when a new answer takes the place of the old one', () => {
    const older = emptyTrace();
    for (let t = 0; t < 10; t++) append(older, t, t);
    const newer = traceOf(
      m4(
        [
          { t: 5, v: 5 },
          { t: 7, v: 7 },
        ],
        10,
      ),
      10,
    );
    carryOver(older, newer);
    expect(newer.t).toEqual([5, 7, 8, 9]);
  });

  it('is forgotten once it has left the window, all but the point that the line comes from', () => {
    const trace = emptyTrace();
    for (let t = 0; t < 2_000; t++) append(trace, t, t);
    trim(trace, 1_500);
    expect(trace.t[0]).toBe(1_500);
    trim(trace, 1_600);
    expect(trace.t[0]).toBe(1_500);
  });
});

describe('looking a time up', () => {
  it('finds what a scan finds', () => {
    fc.assert(
      fc.property(points, fc.integer({ min: -10, max: 1_010 }), (all, time) => {
        const times = all.map(({ t }) => t);
        expect(indexAtOrBefore(times, time)).toBe(times.findLastIndex((t) => t <= time));
        const closest = times[indexClosest(times, time)];
        const distance = Math.min(...times.map((t) => Math.abs(t - time)));
        if (closest !== undefined) expect(Math.abs(closest - time)).toBe(distance);
        else expect(times).toEqual([]);
      }),
    );
  });
});
