// What one decision allows, as data.
import type { Selector } from '../lib/selector.ts';

export const ACTIONS = [
  'series',
  'range',
  'latest',
  'tail',
  'write',
  'publish',
  'subscribe',
  'export',
  'import',
  'objects',
  'jobs',
  'dead-letters',
  'decisions',
  'revoke',
  'admin',
] as const;
export type Action = (typeof ACTIONS)[number];

/** Verified claims of a token, under the names that the policy sees. Anything else the token says is kept beside. */
export interface Claims {
  readonly sub: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  /** Seconds since 1970. */
  readonly exp: number;
  readonly jti?: string;
  readonly [claim: string]: unknown;
}

/** What the engine has to enforce on what a caller sees; absent means no limit. */
export interface Obligations {
  readonly finest_step_ms?: number;
  readonly lookback_ms?: number;
  readonly delay_ms?: number;
  readonly max_points?: number;
  readonly max_series?: number;
  readonly max_rate_hz?: number;
  readonly redact?: readonly string[];
}

/** One decision. Where `allow` is false, `selectors` is empty and `reason` says why. */
export interface Grant {
  readonly allow: boolean;
  readonly reason: string;
  readonly action: Action;
  readonly decisionId: string;
  /** Revision of the bundle that decided. */
  readonly revision: string;
  readonly tenant: string;
  /** A series is allowed if any of these matches it and it is the tenant's own. */
  readonly selectors: readonly Selector[];
  readonly obligations: Obligations;
}
