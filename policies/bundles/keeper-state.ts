// What a policy's keeper can be in, and what takes it from there. No time, no files, no threads in here.

/** The bundle that decides. */
export interface InForce {
  readonly revision: string;
  /** SHA-256 of the packed bundle. */
  readonly digest: string;
  /** Since when, in this process; ms since 1970. */
  readonly activatedMs: number;
  /** When the source last said that this is its newest; ms since 1970. */
  readonly confirmedMs: number;
}

export interface Fault {
  readonly code: string;
  readonly detail: string;
  readonly atMs: number;
}

interface Beside {
  /** Digest of the candidate that is on trial. */
  readonly trying?: string;
  /** What last went wrong, until something goes right. */
  readonly fault?: Fault;
}

export type KeeperState =
  /** Nothing decides yet. */
  | ({ readonly at: 'waiting' } & Beside)
  | ({ readonly at: 'in_force'; readonly bundle: InForce } & Beside)
  /** The source has not confirmed the bundle for too long: everything is denied. */
  | ({ readonly at: 'over_age'; readonly bundle: InForce } & Beside);

export type KeeperEvent =
  | { readonly kind: 'candidate'; readonly digest: string }
  | { readonly kind: 'activated'; readonly bundle: InForce }
  /** The candidate was not taken. */
  | { readonly kind: 'refused'; readonly fault: Fault }
  | { readonly kind: 'source_failed'; readonly fault: Fault }
  /** The source has what is in force. */
  | { readonly kind: 'confirmed'; readonly atMs: number }
  | { readonly kind: 'time'; readonly nowMs: number; readonly ageMaxMs: number };

export const WAITING: KeeperState = { at: 'waiting' };

/** The state after an event. Throws where the event cannot be in that state. */
export function step(state: KeeperState, event: KeeperEvent): KeeperState {
  switch (event.kind) {
    case 'candidate':
      if (state.trying !== undefined) throw impossible(state, event);
      return { ...state, trying: event.digest };
    case 'activated':
      if (state.trying !== event.bundle.digest) throw impossible(state, event);
      return { at: 'in_force', bundle: event.bundle };
    case 'refused': {
      const { trying, ...rest } = state;
      if (trying === undefined) throw impossible(state, event);
      return { ...rest, fault: event.fault };
    }
    case 'source_failed':
      return { ...state, fault: event.fault };
    case 'confirmed': {
      if (state.at === 'waiting' || state.trying !== undefined) throw impossible(state, event);
      return { at: 'in_force', bundle: { ...state.bundle, confirmedMs: event.atMs } };
    }
    case 'time': {
      if (state.at === 'waiting') return state;
      const isOver = event.nowMs - state.bundle.confirmedMs > event.ageMaxMs;
      return isOver === (state.at === 'over_age')
        ? state
        : { ...state, at: isOver ? 'over_age' : 'in_force' };
    }
  }
}

function impossible(state: KeeperState, event: KeeperEvent): Error {
  return new Error(`the policy's keeper cannot have ${event.kind} while ${state.at}`);
}
