// How the page stands to the present: what its tail says of itself, and whether history is missing beside it. Times are
// ms since 1970 UTC.
import type { TailState } from '../../client/tail-state.ts';
import { formatDay, formatLength, formatTimeOfDay } from './format.ts';

export type FollowState =
  /** Nobody wants to follow. */
  | { readonly kind: 'off' }
  /** History is being loaded, or what was missed is on its way. */
  | { readonly kind: 'catching up' }
  | { readonly kind: 'live' }
  /** Not every reading is sent: this page or its network cannot keep up, or may not see more. */
  | { readonly kind: 'summaries' }
  | {
      readonly kind: 'offline';
      readonly reason: string;
      /** Attempts in a row that failed. */
      readonly attempt: number;
      /** Undefined while it tries. */
      readonly retryAtMs: number | undefined;
      /** Until when nothing is missing; undefined where it never was live. */
      readonly lastLiveMs: number | undefined;
    }
  /** Trying again would not help: the policy or the token says no, or nothing is there to follow. */
  | {
      readonly kind: 'refused';
      readonly code: string;
      readonly problem: string | undefined;
      readonly reason: string;
    };

export interface FollowFacts {
  readonly shown: FollowState;
  /** Undefined where there is no tail. */
  readonly tail: TailState | undefined;
  /** What the server answered to the last subscription has been taken: only then it is known what is missing. */
  readonly isAnswered: boolean;
  /** Readings that no frame will bring are being asked for. */
  readonly isMissing: boolean;
  readonly lastLiveMs: number | undefined;
}

export type FollowEvent =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'tail'; readonly state: TailState }
  /** The answer to a subscription was taken. */
  | { readonly kind: 'answered' }
  | { readonly kind: 'missing'; readonly isMissing: boolean }
  | (FollowState & { readonly kind: 'refused' });

/** Where a page begins. */
export const FOLLOWS_NOTHING: FollowFacts = {
  ...{ shown: { kind: 'off' }, tail: undefined, lastLiveMs: undefined },
  ...{ isAnswered: false, isMissing: false },
};

/** What an event changes. */
export function nextFollow(facts: FollowFacts, event: FollowEvent, nowMs: number): FollowFacts {
  switch (event.kind) {
    case 'stopped':
      return withShown({ ...FOLLOWS_NOTHING, isMissing: facts.isMissing });
    case 'refused':
      return { ...FOLLOWS_NOTHING, shown: event };
    case 'missing': {
      const { isMissing } = event;
      // A refusal stands until something else is followed.
      if (facts.shown.kind === 'refused') return { ...facts, isMissing };
      return isMissing === facts.isMissing ? facts : withShown({ ...facts, isMissing });
    }
    case 'answered':
      return withShown({ ...facts, isAnswered: true });
    case 'tail':
      return afterTail(facts, event.state, nowMs);
  }
}

function afterTail(facts: FollowFacts, tail: TailState, nowMs: number): FollowFacts {
  const isAnswered = facts.isAnswered && tail.kind !== 'connecting';
  if (tail.kind !== 'offline') return withShown({ ...facts, isAnswered, tail });
  const wasLive = facts.tail?.kind === 'live' || facts.tail?.kind === 'summaries';
  // Where readings were missing already they still are, from the outage before on.
  const lastLiveMs = facts.lastLiveMs ?? (wasLive ? nowMs - tail.silentMs : undefined);
  const { reason, attempt, retryInMs } = tail;
  const retryAtMs = nowMs + retryInMs;
  const shown = { kind: 'offline', reason, attempt, retryAtMs, lastLiveMs } as const;
  return { ...facts, tail, lastLiveMs, shown };
}

function withShown(facts: FollowFacts): FollowFacts {
  const shown = shownOf(facts, facts.shown);
  const isWhole = shown.kind === 'live' || shown.kind === 'summaries';
  return { ...facts, shown, lastLiveMs: isWhole ? undefined : facts.lastLiveMs };
}

function shownOf({ tail, isMissing, isAnswered }: FollowFacts, before: FollowState): FollowState {
  switch (tail?.kind) {
    case undefined:
    case 'ended':
      return isMissing ? { kind: 'catching up' } : { kind: 'off' };
    case 'connecting':
      // Until it is connected nothing is better than it was.
      return before.kind === 'offline'
        ? { ...before, retryAtMs: undefined }
        : { kind: 'catching up' };
    case 'catching up':
      return { kind: 'catching up' };
    case 'live':
      return { kind: isMissing || !isAnswered ? 'catching up' : 'live' };
    case 'summaries':
      return { kind: 'summaries' };
    case 'offline':
      return before;
  }
}

/** Until when nothing is missing on the charts; undefined while they are whole, or where nothing is known. */
export function wholeUntilMs({ shown, lastLiveMs }: FollowFacts): number | undefined {
  return shown.kind === 'offline' || shown.kind === 'catching up' ? lastLiveMs : undefined;
}

const WORDS: Readonly<Record<FollowState['kind'], string>> = {
  off: 'Paused',
  'catching up': 'Catching up',
  live: 'Live',
  summaries: 'Summaries',
  offline: 'Offline',
  refused: 'Refused',
};

/** A word for the state, and what has to be known beside it. */
export function describeFollow(
  state: FollowState,
  nowMs: number,
): { readonly word: string; readonly detail: string; readonly title: string } {
  return { word: WORDS[state.kind], detail: detailOf(state, nowMs), title: titleOf(state) };
}

/** What an outage means for the charts, as a sentence or two. */
export function describeOutage({ reason, lastLiveMs }: FollowState & { kind: 'offline' }): string {
  const said = /[.!?]$/.test(reason) ? reason : `${reason}.`;
  if (lastLiveMs === undefined) return `${said} Trying again.`;
  return `${said} What came since ${formatTimeOfDay(lastLiveMs)} is not known yet: it is hatched.`;
}

function detailOf(state: FollowState, nowMs: number): string {
  if (state.kind === 'summaries') return 'not every reading is sent';
  if (state.kind !== 'offline') return '';
  const { lastLiveMs, retryAtMs } = state;
  const since = lastLiveMs === undefined ? [] : [`last live ${whenText(lastLiveMs, nowMs)}`];
  const leftS = Math.max(1, Math.ceil(((retryAtMs ?? nowMs) - nowMs) / 1_000));
  const retry =
    retryAtMs === undefined ? 'trying now' : `retrying in ${formatLength(leftS * 1_000)}`;
  return [...since, retry].join(' · ');
}

function whenText(ms: number, nowMs: number): string {
  const [day, today] = [formatDay(ms), formatDay(nowMs)];
  return day === today ? formatTimeOfDay(ms) : `${day} ${formatTimeOfDay(ms)}`;
}

function titleOf(state: FollowState): string {
  switch (state.kind) {
    case 'off':
      return 'No readings are followed.';
    case 'catching up':
      return 'What is missing is on its way.';
    case 'live':
      return 'Readings are drawn as they are stored.';
    case 'summaries':
      return 'Readings come faster than this page or its network takes them, or than your access allows: the server sends summaries, and the charts are put right from the database.';
    case 'offline':
    case 'refused':
      return state.reason;
  }
}
