// The states of the live connection, and the one function that leads from each to the next.

export type TailState =
  /** Nobody wants a tail. */
  | { readonly kind: 'off' }
  | { readonly kind: 'connecting'; readonly attempt: number }
  /** Connected; what was missed is on its way. */
  | { readonly kind: 'catching up' }
  | { readonly kind: 'live' }
  /** The server sends summaries, because this page or its network cannot keep up. */
  | { readonly kind: 'summaries' }
  | {
      readonly kind: 'offline';
      readonly attempt: number;
      readonly reason: string;
      readonly retryInMs: number;
    }
  /** Trying again would not help: the policy or the token says no. */
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string };

export type TailEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'opened' }
  | { readonly kind: 'caught up' }
  | { readonly kind: 'data' }
  | { readonly kind: 'summary' }
  /** The connection ended, or could not be made. `spread` from 0 to 1 keeps many pages from coming back at once. */
  | {
      readonly kind: 'closed';
      readonly code: number;
      readonly reason: string;
      readonly spread: number;
    }
  | { readonly kind: 'retry' };

/** Token over, not allowed any more: these do not end by themselves. */
const FINAL_CODES = new Set([401, 403, 4401, 4403]);
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 15_000;

/** Where an event leads. An event that cannot come in a state is a fault of the caller, and throws. */
export function nextTailState(state: TailState, event: TailEvent): TailState {
  switch (event.kind) {
    case 'stop':
      return { kind: 'off' };
    case 'start':
      return state.kind === 'off' || state.kind === 'refused'
        ? { kind: 'connecting', attempt: 0 }
        : state;
    case 'closed':
      return afterClose(state, event);
    case 'retry':
      if (state.kind !== 'offline') break;
      return { kind: 'connecting', attempt: state.attempt };
    case 'opened':
      if (state.kind !== 'connecting') break;
      return { kind: 'catching up' };
    case 'caught up':
      if (!isOpen(state)) break;
      return state.kind === 'catching up' ? { kind: 'live' } : state;
    case 'data':
      if (!isOpen(state)) break;
      return state.kind === 'summaries' ? { kind: 'live' } : state;
    case 'summary':
      if (!isOpen(state)) break;
      return { kind: 'summaries' };
  }
  throw new Error(`a tail that is ${state.kind} cannot be told ${event.kind}`);
}

function isOpen(state: TailState): boolean {
  return state.kind === 'catching up' || state.kind === 'live' || state.kind === 'summaries';
}

function afterClose(state: TailState, event: TailEvent & { kind: 'closed' }): TailState {
  if (state.kind === 'off' || state.kind === 'refused') return state;
  if (FINAL_CODES.has(event.code))
    return { kind: 'refused', code: event.code, reason: event.reason };
  const attempt = state.kind === 'connecting' ? state.attempt + 1 : 1;
  const fullMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1));
  return {
    kind: 'offline',
    attempt,
    reason: event.reason,
    retryInMs: Math.round(fullMs * (0.5 + 0.5 * event.spread)),
  };
}
