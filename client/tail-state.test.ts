import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIRST_STATE, nextTailState, type TailEvent, type TailState } from './tail-state.ts';

const STATES: readonly TailState[] = [
  { kind: 'connecting', attempt: 3 },
  { kind: 'catching up' },
  { kind: 'live' },
  { kind: 'summaries' },
  { kind: 'offline', attempt: 3, reason: 'cut', silentMs: 0, retryInMs: 5 },
  { kind: 'ended', reason: 'over' },
];
const EVENTS: readonly TailEvent[] = [
  { kind: 'subscribed', isCaughtUp: false },
  { kind: 'subscribed', isCaughtUp: true },
  { kind: 'caught up' },
  { kind: 'data' },
  { kind: 'summary' },
  { kind: 'lost', reason: 'cut', silentMs: 0, spread: 0.5 },
  { kind: 'retry' },
  { kind: 'end', reason: 'stopped' },
];
/** A row a state, a column an event; `!` where it throws. */
const TABLE = [
  ['catching up', 'live', '!', '!', '!', 'offline', '!', 'ended'],
  ['catching up', 'live', 'live', 'live', 'summaries', 'offline', '!', 'ended'],
  ['catching up', 'live', 'live', 'live', 'summaries', 'offline', '!', 'ended'],
  ['catching up', 'live', 'summaries', 'live', 'summaries', 'offline', '!', 'ended'],
  ['!', '!', '!', '!', '!', '!', 'connecting', 'ended'],
  ['ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended', 'ended'],
];

function outcome(state: TailState, event: TailEvent): string {
  try {
    return nextTailState(state, event).kind;
  } catch {
    return '!';
  }
}

describe('the states of a tail', () => {
  it.each(STATES.map((state, row) => [state.kind, state, row] as const))(
    'lead on from %s',
    (_, state, row) => {
      expect(EVENTS.map((event) => outcome(state, event))).toEqual(TABLE[row]);
    },
  );

  it('wait evenly spread up to twice as long after each attempt, and 30 s at most', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, spread) => {
          const lost = { kind: 'lost', reason: 'cut', silentMs: 0, spread } as const;
          const state = nextTailState({ kind: 'connecting', attempt }, lost);
          if (state.kind !== 'offline') throw new Error(state.kind);
          const longestMs = Math.min(30_000, 500 * 2 ** Math.min(attempt, 16));
          expect(state).toMatchObject({
            attempt: attempt + 1,
            retryInMs: Math.round(longestMs * spread),
          });
        },
      ),
    );
  });

  it('count attempts until one comes to a subscription', () => {
    const lost = { kind: 'lost', reason: 'cut', silentMs: 0, spread: 1 } as const;
    let state = FIRST_STATE;
    for (let i = 0; i < 3; i += 1) {
      state = nextTailState(nextTailState(state, lost), { kind: 'retry' });
    }
    expect(state).toEqual({ kind: 'connecting', attempt: 3 });
    state = nextTailState(state, { kind: 'subscribed', isCaughtUp: true });
    expect(nextTailState(state, lost)).toMatchObject({ attempt: 1, retryInMs: 500 });
  });
});
