import { describe, expect, it } from 'vitest';
import { appendState, runsOf, stateAt, statesOf } from './states.ts';

const lane = statesOf({ id: 1, t: [10, 20, 30, 40], v: ['off', 'off', 'on', 'off'] });

describe('a lane of states', () => {
  it('joins equal neighbours and reaches to the end of the window', () => {
    expect(runsOf(lane, 0, 60)).toEqual([
      { text: 'off', startMs: 10, endMs: 30 },
      { text: 'on', startMs: 30, endMs: 40 },
      { text: 'off', startMs: 40, endMs: 60 },
    ]);
  });

  it('begins with what was so before the window', () => {
    expect(runsOf(lane, 35, 38)).toEqual([{ text: 'on', startMs: 35, endMs: 38 }]);
    expect(runsOf(lane, 0, 5)).toEqual([]);
  });

  it('says what was so at a time', () => {
    expect([9, 10, 29, 30, 99].map((time) => stateAt(lane, time))).toEqual([
      undefined,
      'off',
      'off',
      'on',
      'off',
    ]);
  });

  it('takes late states in their place, and the last of one time', () => {
    const late = statesOf({ id: 1, t: [10, 30], v: ['a', 'c'] });
    appendState(late, 20, 'b');
    appendState(late, 30, 'd');
    expect(late).toEqual({ t: [10, 20, 30], v: ['a', 'b', 'd'] });
  });
});
