// The states of who the page is, and the one function that leads from each to the next.

export type AccessState =
  /** Not known yet. */
  | { readonly kind: 'opening' }
  /** There is no token. `reason` is empty where nothing went wrong. */
  | { readonly kind: 'signed out'; readonly reason: string }
  /** On the way to the issuer, or back with its answer; `before` is where a way that leads nowhere ends. */
  | { readonly kind: 'signing in'; readonly before: Exclude<AccessState, { kind: 'signing in' }> }
  /** There is a token. With `ends` it is the last one: ms since 1970, and why there will be no other. */
  | {
      readonly kind: 'signed in';
      readonly ends?: { readonly atMs: number; readonly reason: string };
    }
  /** The token is over or was refused, and there is no other: what is on the screen stays. */
  | { readonly kind: 'over'; readonly reason: string };

export type AccessEvent =
  | { readonly kind: 'left' }
  /** There is a token, a first one or a newer one. */
  | { readonly kind: 'admitted' }
  | { readonly kind: 'nobody' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'ends'; readonly atMs: number; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** Where an event leads. An event that cannot come in a state is a fault of the caller, and throws. */
export function nextAccessState(state: AccessState, event: AccessEvent): AccessState {
  switch (event.kind) {
    case 'left':
      return state.kind === 'signing in' ? state : { kind: 'signing in', before: state };
    case 'admitted':
      return { kind: 'signed in' };
    case 'nobody':
      if (state.kind !== 'opening') break;
      return { kind: 'signed out', reason: '' };
    case 'failed':
      return afterFailure(state.kind === 'signing in' ? state.before : state, event.reason);
    case 'ends':
      // A renewal that was under way when the token was refused says so after it.
      if (state.kind !== 'signed in') return state;
      return { kind: 'signed in', ends: { atMs: event.atMs, reason: event.reason } };
    case 'refused':
      // Several requests may be refused with one token.
      if (state.kind !== 'signed in') return state;
      return { kind: 'over', reason: event.reason };
  }
  throw new Error(`a page that is ${state.kind} cannot be told ${event.kind}`);
}

/** Whoever was signed in still is. */
function afterFailure(before: AccessState, reason: string): AccessState {
  if (before.kind === 'signed in') return before;
  return before.kind === 'over' ? { kind: 'over', reason } : { kind: 'signed out', reason };
}
