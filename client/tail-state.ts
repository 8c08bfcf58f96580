// The states of a tail, and the one function that leads from each to the next.

export type TailState =
  | { readonly kind: 'connecting'; readonly attempt: number }
  /** Subscribed; the snapshot, or what was missed, is on its way. */
  | { readonly kind: 'catching up'; readonly attempt?: number }
  | { readonly kind: 'live' }
  /** The server sends summaries, or only the newest points: this client cannot keep up or may not see more. */
  | { readonly kind: 'summaries' }
  | {
      readonly kind: 'offline';
      /** Attempts in a row that did not catch up. */
      readonly attempt: number;
      readonly reason: string;
      /** For so long nothing had been heard when the connection was given up. */
      readonly silentMs: number;
      readonly retryInMs: number;
    }
  | { readonly kind: 'ended'; readonly reason: string };

export type TailEvent =
  /** `isCaughtUp` where nothing is to come that lies behind. */
  | { readonly kind: 'subscribed'; readonly isCaughtUp: boolean }
  | { readonly kind: 'caught up' }
  | { readonly kind: 'data' }
  | { readonly kind: 'summary' }
  /** The connection ended, or could not be made. `spread` is a random number from 0 to 1. */
  | {
      readonly kind: 'lost';
      readonly reason: string;
      readonly silentMs: number;
      readonly spread: number;
    }
  | { readonly kind: 'retry' }
  | { readonly kind: 'end'; readonly reason: string };

const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;

/** Where a tail begins. */
export const FIRST_STATE: TailState = { kind: 'connecting', attempt: 0 };

/**
 * Where an event leads; the same object where nothing changes. What has ended stays so.
 *
 * @throws Error for an event that cannot come in a state: a fault of the caller.
 */
export function nextTailState(state: TailState, event: TailEvent): TailState {
  if (state.kind === 'ended') return state;
  switch (event.kind) {
    case 'end':
      return { kind: 'ended', reason: event.reason };
    case 'lost':
      if (state.kind === 'offline') break;
      return offlineAfter(state, event);
    case 'retry':
      if (state.kind !== 'offline') break;
      return { kind: 'connecting', attempt: state.attempt };
    case 'subscribed':
      if (state.kind === 'offline') break;
      if (event.isCaughtUp) return { kind: 'live' };
      // Whoever loses its snapshot again and again comes back ever later, too.
      return { kind: 'catching up', attempt: attemptOf(state) };
    case 'caught up':
      if (!isSubscribed(state)) break;
      return state.kind === 'catching up' ? { kind: 'live' } : state;
    case 'data':
      if (!isSubscribed(state)) break;
      return state.kind === 'live' ? state : { kind: 'live' };
    case 'summary':
      if (!isSubscribed(state)) break;
      return state.kind === 'summaries' ? state : { kind: 'summaries' };
  }
  throw new Error(`a tail that is ${state.kind} cannot be told ${event.kind}`);
}

function isSubscribed({ kind }: TailState): boolean {
  return kind === 'catching up' || kind === 'live' || kind === 'summaries';
}

/** Attempts in a row that came to nothing. */
function attemptOf(state: TailState): number {
  return state.kind === 'connecting' || state.kind === 'catching up' ? (state.attempt ?? 0) : 0;
}

/** Full jitter: clients that were cut off together come back evenly spread over the time that they may wait. */
function offlineAfter(state: TailState, event: TailEvent & { kind: 'lost' }): TailState {
  const attempt = attemptOf(state) + 1;
  // The exponent is bounded: after a night offline 2 ** attempt would be infinite, and 0 times that no number.
  const longestMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 16));
  const retryInMs = Math.round(longestMs * event.spread);
  const { reason, silentMs } = event;
  return { kind: 'offline', attempt, reason, silentMs, retryInMs };
}
