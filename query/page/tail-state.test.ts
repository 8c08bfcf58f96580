import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextTailState, type TailEvent, type TailState } from './tail-state.ts';

const closed = (code: number): TailEvent => ({ kind: 'closed', code, reason: 'lost', spread: 1 });

function stateAfter(...events: TailEvent[]): TailState {
  return events.reduce<TailState>(nextTailState, { kind: 'off' });
}

const start: TailEvent = { kind: 'start' };
const opened: TailEvent = { kind: 'opened' };
const caughtUp: TailEvent = { kind: 'caught up' };

describe('the live connection', () => {
  it.each<[string, TailEvent[], TailState]>([
    ['connects', [start], { kind: 'connecting', attempt: 0 }],
    ['catches up', [start, opened], { kind: 'catching up' }],
    ['is live', [start, opened, caughtUp], { kind: 'live' }],
    ['shows summaries', [start, opened, caughtUp, { kind: 'summary' }], { kind: 'summaries' }],
    [
      'is live again after them',
      [start, opened, { kind: 'summary' }, { kind: 'data' }],
      { kind: 'live' },
    ],
    [
      'tries again when it was lost',
      [start, opened, caughtUp, closed(1006)],
      { kind: 'offline', attempt: 1, reason: 'lost', retryInMs: 400 },
    ],
    [
      'waits longer each time',
      [start, closed(0), { kind: 'retry' }, closed(0), { kind: 'retry' }, closed(0)],
      { kind: 'offline', attempt: 3, reason: 'lost', retryInMs: 1_600 },
    ],
    [
      'gives up without a right to it',
      [start, opened, closed(4403)],
      { kind: 'refused', code: 4403, reason: 'lost' },
    ],
    [
      'gives up with a token that is over',
      [start, closed(401)],
      { kind: 'refused', code: 401, reason: 'lost' },
    ],
    [
      'starts anew after a refusal',
      [start, closed(401), start],
      { kind: 'connecting', attempt: 0 },
    ],
    ['stays off', [closed(1000)], { kind: 'off' }],
    ['stops', [start, opened, { kind: 'stop' }], { kind: 'off' }],
  ])('%s', (_sentence, events, state) => {
    expect(stateAfter(...events)).toEqual(state);
  });

  it('refuses what cannot happen', () => {
    expect(() => stateAfter(opened)).toThrow('a tail that is off cannot be told opened');
    expect(() => stateAfter(start, caughtUp)).toThrow();
    expect(() => stateAfter({ kind: 'retry' })).toThrow();
  });

  it('never waits longer than a quarter of a minute, nor less than half of what it says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 60 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, spread) => {
          const state = nextTailState({ kind: 'connecting', attempt }, {
            ...closed(0),
            spread,
          } as TailEvent);
          if (state.kind !== 'offline') throw new Error('a lost connection is offline');
          expect(state.retryInMs).toBeLessThanOrEqual(15_000);
          expect(state.retryInMs).toBeGreaterThanOrEqual(200);
        },
      ),
    );
  });
});
