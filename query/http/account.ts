// What became of one request: who asked, what was decided, how it ended. It makes a header and a line of the log.
import type { Log } from '../../lib/log.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import type { Admission } from '../limits/limits.ts';
import { DECISION_HEADER } from './problem.ts';

/** Filled in while the request goes its way. */
export interface Account {
  claims: Claims | undefined;
  grant: Grant | undefined;
  admission: Admission | undefined;
}

/** How a request ended. */
interface Outcome {
  readonly method: string;
  /** As it was registered, or `none`: nothing that a client may invent, nor any parameter. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
  readonly traceparent: string | undefined;
}

/** An account of which nothing is known yet. */
export function openAccount(): Account {
  return { claims: undefined, grant: undefined, admission: undefined };
}

/** Headers that say what was decided; none where nothing was. */
export function decisionHeaders({ grant }: Account): Record<string, string> {
  return grant === undefined ? {} : { [DECISION_HEADER]: grant.decisionId };
}

/** Writes the line of a request: what failed here and what was denied at once, everything else for whoever debugs. */
export function logRequest(log: Log, account: Account, outcome: Outcome): void {
  const { claims, grant } = account;
  const level = outcome.status >= 500 || grant?.allow === false ? 'info' : 'debug';
  if (!log.isLevelEnabled(level)) return;
  const { durationMs, ...rest } = outcome;
  log[level](
    {
      ...rest,
      ms: Math.round(durationMs * 1_000) / 1_000,
      subject: claims?.sub,
      tenant: claims?.tenant,
      decision: grant?.decisionId,
      allowed: grant?.allow,
    },
    'request',
  );
}
