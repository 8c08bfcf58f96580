import { describe, expect, it } from 'vitest';
import { totalsOf } from './lane.ts';
import { appendState, heldAt, runsOf, type StateTrace, statesOf } from './states.ts';

const answered = (obligations = {}) => ({
  range: { start: 10, end: 60, step_ms: null, level: 'raw', complete: true },
  policy: { revision: '1', obligations },
});

const INTERVALS = { id: 1, value: ['off', 'on', 'off'], start: [10, 30, 40], end: [30, 40, 60] };
const laneOf = (live: boolean, obligations = {}): StateTrace =>
  statesOf(INTERVALS, answered(obligations), live);

describe('a lane of states', () => {
  it('shows the intervals of an answer, and no more than it knows', () => {
    const runs = [
      { text: 'off', startMs: 10, endMs: 30 },
      { text: 'on', startMs: 30, endMs: 40 },
      { text: 'off', startMs: 40, endMs: 60 },
    ];
    expect(runsOf(laneOf(false), 0, 99)).toEqual(runs);
    expect(runsOf(laneOf(true), 0, 60)).toEqual(runs);
  });

  it('goes on to the present where a tail tells of the next state, or as far as the policy allows', () => {
    expect(runsOf(laneOf(true), 50, 99)).toEqual([{ text: 'off', startMs: 50, endMs: 99 }]);
    const late = laneOf(true, { delay_ms: 30 });
    expect(runsOf(late, 50, 99)).toEqual([{ text: 'off', startMs: 50, endMs: 69 }]);
  });

  it('begins with what was so before the window', () => {
    expect(runsOf(laneOf(true), 35, 38)).toEqual([{ text: 'on', startMs: 35, endMs: 38 }]);
    expect(runsOf(laneOf(true), 0, 5)).toEqual([]);
  });

  it('says what held at a time and how long, as far as that is known', () => {
    const texts = [9, 10, 29, 30, 60, 61].map((time) => heldAt(laneOf(false), time, 99)?.text);
    expect(texts).toEqual([undefined, 'off', 'off', 'on', 'off', undefined]);
    expect(heldAt(laneOf(true), 12, 99)).toEqual({
      ...{ text: 'off', startMs: 10, endMs: 30, isCut: true, goesOn: false },
    });
    expect(heldAt(laneOf(true), undefined, 99)).toEqual({
      ...{ text: 'off', startMs: 40, endMs: 99, isCut: false, goesOn: true },
    });
  });

  it('takes the tail: repetitions change nothing, a late state waits for a new answer', () => {
    const lane = laneOf(true);
    expect(appendState(lane, 70, 'off')).toBe('taken');
    expect(appendState(lane, 80, 'on')).toBe('taken');
    expect(appendState(lane, 80, 'trip')).toBe('taken');
    expect(appendState(lane, 20, 'trip')).toBe('stale');
    expect(lane.t).toEqual([10, 20, 30, 40, 80]);
    expect(lane.v).toEqual(['off', 'trip', 'on', 'off', 'trip']);
  });

  it('sums up how long each state held', () => {
    expect(totalsOf(runsOf(laneOf(true), 0, 60))).toEqual([
      ['off', 40],
      ['on', 10],
    ]);
  });
});
