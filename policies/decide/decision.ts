// What is asked of a policy, and what came of it: the types that everything which decides or keeps decisions shares.
import type { Action, Claims, Grant } from '../grant.ts';

/** What is asked for, as far as it is known when the policy is asked; times in ms since 1970 UTC. */
export interface DecisionRequest {
  readonly start?: number;
  readonly end?: number;
  readonly step_ms?: number | null;
  readonly protocol?: string;
  readonly origin?: string;
}

export interface DecisionInput {
  readonly action: Action;
  readonly claims: Claims;
  readonly nowMs: number;
  readonly request?: DecisionRequest;
  /** Of the series that a write or a publish is for: `tenant`, `asset`, `channel`, and its labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The grant that this decision renews. One that says the same again is not recorded again, and comes back as the
   * very grant given: so its id still finds the record, and `===` tells that nothing changed.
   */
  readonly renews?: Grant | undefined;
  /** Nobody asked for this: it only tells what would be allowed, and is not recorded. */
  readonly hypothetical?: boolean;
}

/** One decision as it was taken, for whoever records it. */
export interface Decision {
  readonly input: DecisionInput;
  readonly grant: Grant;
  /** Where the policy failed instead of deciding: what was wrong, for operators only. */
  readonly fault?: string;
  readonly durationUs: number;
}

/** Is told of every decision. Has to be quick, and must not throw. */
export type OnDecision = (decision: Decision) => void;

/** One revision of the rules. It never changes: what is asked twice within a request is answered by the same rules. */
export interface Decider {
  readonly revision: string;
  /** Decides at once. Never throws: a policy that fails or answers nonsense denies, and the log says why. */
  decide(input: DecisionInput): Grant;
}

/** How it stands with the bundle in force. */
export interface PolicyStatus {
  readonly revision: string;
  /** Path, URL, or `shipped`. */
  readonly source: string;
  /** `in_force`, or `over_age`: the source has not confirmed it for too long, and everything is denied. */
  readonly state: 'in_force' | 'over_age';
  /** When it was put in force in this process, ms since 1970. */
  readonly activatedMs: number;
  /** When its source last said that this is the newest, ms since 1970. */
  readonly confirmedMs: number;
  /** The last thing that went wrong with the source or with a candidate, until something goes right. */
  readonly fault?: { readonly code: string; readonly detail: string; readonly atMs: number };
}

/** The rules of this process: the revision in force changes while it runs. */
export interface Policy extends Decider {
  /** The revision in force now, to be kept for as long as answers have to agree with one another: one request. */
  pin(): Decider;
  status(): PolicyStatus;
  /** Calls `listener` after another revision is in force, or the state changed. Gives back the way to end it. */
  onChange(listener: () => void): () => void;
}
