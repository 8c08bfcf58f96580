import { describe, expect, it } from 'vitest';
import type { TailState } from '../../client/tail-state.ts';
import {
  describeFollow,
  FOLLOWS_NOTHING,
  type FollowEvent,
  type FollowFacts,
  nextFollow,
  wholeUntilMs,
} from './follow-state.ts';

const NOON = new Date(2026, 0, 2, 12).getTime();

const tail = (state: TailState): FollowEvent => ({ kind: 'tail', state });
const connecting = tail({ kind: 'connecting', attempt: 0 });
const again = tail({ kind: 'connecting', attempt: 1 });
const catchingUp = tail({ kind: 'catching up' });
const answered: FollowEvent = { kind: 'answered' };
const live = tail({ kind: 'live' });
const summaries = tail({ kind: 'summaries' });
const missing: FollowEvent = { kind: 'missing', isMissing: true };
const whole: FollowEvent = { kind: 'missing', isMissing: false };
const stopped: FollowEvent = { kind: 'stopped' };
const refused: FollowEvent = {
  ...{ kind: 'refused', code: '4403', problem: undefined, reason: 'not any more' },
};

function offline(attempt = 1, silentMs = 0): FollowEvent {
  return tail({ kind: 'offline', attempt, reason: 'cut', silentMs, retryInMs: 4_000 });
}

/** Events a second apart, the first at noon. */
function reached(...events: FollowEvent[]): FollowFacts {
  return events.reduce(
    (facts, event, i) => nextFollow(facts, event, NOON + i * 1_000),
    FOLLOWS_NOTHING,
  );
}

describe('the page', () => {
  it.each<[string, FollowEvent[], string]>([
    ['follows nothing', [], 'off'],
    ['catches up while history is loaded', [missing], 'catching up'],
    ['and while it connects', [missing, connecting, whole], 'catching up'],
    ['is live where nothing is missing', [connecting, catchingUp, answered, live], 'live'],
    ['and not before that is known', [connecting, live], 'catching up'],
    ['nor before history is there', [connecting, live, missing, answered], 'catching up'],
    ['but then', [connecting, answered, live, missing, whole], 'live'],
    ['is sent summaries, whatever is missing', [connecting, summaries, missing], 'summaries'],
    ['is offline', [connecting, live, offline()], 'offline'],
    ['and stays so while it tries', [live, offline(), again], 'offline'],
    ['until it is connected', [live, offline(), again, catchingUp], 'catching up'],
    ['and catches up until it knows', [answered, live, offline(), again, live], 'catching up'],
    ['is refused', [live, refused], 'refused'],
    ['and stays so while history is asked for', [live, refused, missing, whole], 'refused'],
    ['until it follows anew', [live, refused, connecting], 'catching up'],
    ['stops', [live, stopped], 'off'],
  ])('%s', (_, events, kind) => {
    expect(reached(...events).shown.kind).toBe(kind);
  });

  it.each<[string, FollowEvent[], number | undefined]>([
    ['until the connection was lost', [live, live, offline()], NOON + 2_000],
    ['until it was heard last', [live, live, offline(1, 30_000)], NOON - 28_000],
    ['until the first loss of several', [live, offline(), catchingUp, offline(2)], NOON + 1_000],
    ['while it catches up', [live, offline(), again, catchingUp], NOON + 1_000],
    ['until it knows what is missing', [answered, live, offline(), again, live], NOON + 2_000],
    ['and history is there', [live, offline(), again, live, missing, answered], NOON + 1_000],
    ['as a whole when it is live again', [live, offline(), again, live, answered], undefined],
    ['as a whole where only other series are loaded', [answered, live, missing], undefined],
    ['from nowhere on where it never was live', [connecting, offline()], undefined],
  ])('knows the charts %s', (_, events, expected) => {
    expect(wholeUntilMs(reached(...events))).toBe(expected);
  });

  it.each<[string, FollowEvent[], number, string]>([
    [
      'when it was live and tries again',
      [live, offline()],
      0,
      'last live 12:00:01 · retrying in 5 s',
    ],
    ['a second later', [live, offline()], 1_000, 'last live 12:00:01 · retrying in 4 s'],
    ['that it tries', [live, offline(), again], 0, 'last live 12:00:01 · trying now'],
    [
      'the day of before',
      [live, offline()],
      86_400_000,
      'last live 2 Jan 2026 12:00:01 · retrying in 1 s',
    ],
    ['nothing of a past without readings', [offline()], 0, 'retrying in 4 s'],
    ['that summaries are not all', [summaries], 0, 'not every reading is sent'],
    ['nothing more where all is well', [answered, live], 0, ''],
  ])('says %s', (_, events, laterMs, expected) => {
    expect(describeFollow(reached(...events).shown, NOON + laterMs).detail).toBe(expected);
  });
});
