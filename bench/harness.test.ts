import { describe, expect, it } from 'vitest';
import { measureCase, PAIRS_MIN, summarise } from './harness.ts';

/** A case that gives what it is told to, and remembers in which order its halves ran. */
function scripted(values: readonly number[], ceilings: readonly number[]) {
  const order: string[] = [];
  const next = (name: string, list: readonly number[]) => async () => {
    const index = order.filter((one) => one === name).length;
    order.push(name);
    return list[index] ?? Number.NaN;
  };
  return {
    order,
    name: 'area/scripted',
    unit: 'things/s',
    better: 'more' as const,
    run: next('A', values),
    ceiling: { name: 'nothing in the way', run: next('B', ceilings) },
  };
}

describe('a measured case', () => {
  it('runs by turns, each half first as often as the other, and drops the warm-up', async () => {
    const one = scripted([999, 10, 20, 30, 40, 50], [999, 100, 100, 100, 100, 100]);
    const result = await measureCase(one, { pairs: 5 });
    expect(one.order.join('')).toBe('AB'.concat('AB', 'BA', 'AB', 'BA', 'AB'));
    expect(result).toEqual({
      name: 'area/scripted',
      value: 30,
      unit: 'things/s',
      ceiling: { name: 'nothing in the way', value: 100 },
      ratio: 0.3,
      spread: round(4 / 3),
    });
  });

  it('tells of every pair', async () => {
    const heard: number[] = [];
    const one = scripted([0, 1, 2, 3, 4, 5], [0, 1, 1, 1, 1, 1]);
    await measureCase(one, { pairs: 5, onPair: (pair) => heard.push(pair.value) });
    expect(heard).toEqual([1, 2, 3, 4, 5]);
  });

  it('refuses too few pairs to know a spread', async () => {
    await expect(measureCase(scripted([], []), { pairs: PAIRS_MIN - 1 })).rejects.toThrow(
      RangeError,
    );
  });

  it('inverts the ratio where less is better', () => {
    const latency = { ...scripted([], []), better: 'less' as const };
    const result = summarise(latency, [{ value: 50, ceiling: 10 }]);
    expect(result).toMatchObject({ value: 50, ratio: 0.2, spread: 0 });
  });

  it('does not take a slow moment of the machine for spread', () => {
    const pairs = [1, 0.5, 0.25, 1, 1].map((speed) => ({
      value: 60 * speed,
      ceiling: 100 * speed,
    }));
    expect(summarise(scripted([], []), pairs)).toMatchObject({ ratio: 0.6, spread: 0 });
  });
});

function round(value: number): number {
  return Number(value.toPrecision(6));
}
