// Who asks in the tests of leaks: callers that differ in what they may see. Where the shipped rules can say it, they do,
// by a claim; for the rest their grant is changed in `obligations` or `selectors`.
import type { Grant, Obligations } from '../../policies/grant.ts';

export interface Caller {
  readonly tenant?: string;
  readonly roles?: readonly string[];
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Changes what the shipped rules grant. */
  readonly change?: Partial<Pick<Grant, 'selectors' | 'obligations'>>;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

function under(obligations: Obligations): Caller {
  return { change: { obligations } };
}

export const CALLERS = {
  'the whole tenant': {},
  'some assets': { claims: { assets: ['rig-albatross', 'rig-curlew'] } },
  'no asset': { claims: { assets: [] } },
  'a clearance': { claims: { clearance: 'internal' } },
  'redacted labels': under({ redact: ['crew', 'site', 'sensor'] }),
  'redacted names': under({ redact: ['asset', 'channel', 'unit'] }),
  minutes: under({ finest_step_ms: MINUTE_MS }),
  'seven minutes': under({ finest_step_ms: 7 * MINUTE_MS }),
  'the last hour': under({ lookback_ms: HOUR_MS }),
  'five minutes late': under({ delay_ms: 5 * MINUTE_MS }),
  budgets: under({ max_points: 150, max_series: 4, max_rate_hz: 5 }),
  everything: {
    claims: { clearance: 'internal' },
    change: {
      selectors: [
        [
          { label: 'asset', op: '=~', value: 'rig-(albatross|dunlin)' },
          { label: 'classification', op: '!=', value: 'secret' },
        ],
      ],
      obligations: {
        finest_step_ms: 2 * MINUTE_MS,
        lookback_ms: 6 * HOUR_MS + 1_234,
        delay_ms: 5 * MINUTE_MS + 77,
        max_points: 60,
        max_series: 5,
        max_rate_hz: 2,
        redact: ['crew', 'sensor'],
      },
    },
  },
  'another tenant': { tenant: 'zephyr' },
  nobody: { roles: ['stranger'] },
  'an admin': { roles: ['admin'] },
  "another tenant's admin": { tenant: 'zephyr', roles: ['admin'] },
} as const satisfies Record<string, Caller>;

export type CallerName = keyof typeof CALLERS;
export const CALLER_NAMES = Object.keys(CALLERS) as CallerName[];

/** The grant of a caller, whose name stands in its claims. */
export function changedFor(claims: Readonly<Record<string, unknown>>, grant: Grant): Grant {
  const caller: Caller | undefined = CALLERS[String(claims.caller) as CallerName];
  return grant.allow ? { ...grant, ...caller?.change } : grant;
}
