import { describe, expect, it } from 'vitest';
import { createLines } from './lines.ts';
import type { RangeAnswer, SeriesInfo } from './wire.ts';

const series = (id: number, kind: SeriesInfo['kind']): SeriesInfo => ({
  id,
  kind,
  asset: 'a',
  channel: String(id),
  unit: null,
  index: 'time',
  first: null,
  last: null,
});
const both = [series(1, 'number'), series(2, 'state')];
const answer = (t: number[], v: (number | string)[], id: number): RangeAnswer => ({
  range: { start: 0, end: 100, step_ms: null, level: 'raw', complete: true },
  series: [{ id, t, v }],
  cursor: 'c',
});
const states = (value: string[], start: number[], end: number[]): RangeAnswer => ({
  range: { start: 0, end: 100, step_ms: null, level: 'raw', complete: true },
  series: [{ id: 2, value, start, end }],
  cursor: 'c',
});

describe('lines on the screen', () => {
  it('go on from an answer with what the tail gives', () => {
    const lines = createLines();
    lines.show(both, [answer([1, 2], [10, 20], 1), states(['on'], [1], [2])], true);
    lines.take([
      [1, 3, 30],
      [2, 3, 'off'],
      [9, 3, 1],
    ]);
    expect(lines.trace(1).v).toEqual([10, 20, 30]);
    expect(lines.states(2).v).toEqual(['on', 'off']);
    expect(lines.newestMs()).toBe(3);
  });

  it('keep what the tail gave while a new answer was on its way, but only where they follow the present', () => {
    const lines = createLines();
    lines.show(both, [answer([1], [10], 1)], true);
    lines.take([[1, 5, 50]]);
    lines.show(both, [answer([1, 2], [10, 20], 1)], true);
    expect(lines.trace(1).t).toEqual([1, 2, 5]);
    lines.show(both, [answer([1, 2], [10, 20], 1)], false);
    expect(lines.trace(1).t).toEqual([1, 2]);
  });

  it('take nothing that is older than the window', () => {
    const lines = createLines();
    lines.show(both, [answer([10], [1], 1)], true);
    lines.forgetBefore(5);
    lines.take([[1, 4, 9]]);
    expect(lines.trace(1).t).toEqual([10]);
  });

  it('are bounded, also where nobody looks for days', () => {
    const lines = createLines();
    lines.show(both, [], true);
    for (let t = 0; t < 150_000; t++)
      lines.take([
        [1, t, t],
        [2, t, t % 2 === 0 ? 'on' : 'off'],
      ]);
    expect(lines.trace(1).t.length).toBeLessThanOrEqual(100_000);
    expect(lines.states(2).t.length).toBeLessThanOrEqual(100_000);
    expect(lines.trace(1).t.at(-1)).toBe(149_999);
    expect(lines.trace(1).t.length).toBe(lines.trace(1).v.length);
    expect(lines.isFull(1_000)).toBe(true);
  });

  it('keep what came slowly before a flood, and the highest of the flood', () => {
    const lines = createLines();
    lines.show(both, [], true);
    const slow = Array.from({ length: 1_000 }, (_, i) => i * 1_000);
    for (const t of slow) lines.take([[1, t, -t]]);
    for (let i = 1; i <= 150_000; i++) lines.take([[1, 999_000 + i / 10, i === 777 ? 9 : 1]]);
    const { t, v } = lines.trace(1);
    expect(t.length).toBeLessThanOrEqual(100_000);
    expect(t.slice(0, 999)).toEqual(slow.slice(0, 999));
    expect(v[t.indexOf(999_077.7)]).toBe(9);
    expect(t).toEqual([...new Set(t)].sort((a, b) => a - b));
  });
});
