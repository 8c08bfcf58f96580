// What decisions are timed of: callers of different kinds, by the shipped rules with little and with much data.
import { systemClock } from '../../lib/clock.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { readBundleFile, shippedBundlePath } from '../../policies/bundles/bundle.ts';
import type { DecisionInput, Policy } from '../../policies/decide/decision.ts';
import { createPolicy } from '../../policies/decide/policy.ts';
import type { Claims } from '../../policies/grant.ts';
import type { BenchContext } from '../case.ts';
import { TENANT } from '../workload.ts';

/** A Wednesday noon: within the shift `day`. */
const NOW_MS = Date.UTC(2026, 0, 7, 12);
const USERS = 10_000;
const ASSETS_PER_USER = 10;

export interface RuleSet {
  readonly name: string;
  readonly policy: Policy;
  readonly input: DecisionInput;
}

/** Asset groups, one a user: data for 10,000 users, 1.4 MB as JSON. */
export function groupsOfUsers(): Record<string, Record<string, string[]>> {
  const groups: Record<string, string[]> = {};
  for (let user = 0; user < USERS; user++) {
    groups[`user-${user}`] = assets(ASSETS_PER_USER, user);
  }
  return { [TENANT]: groups };
}

function assets(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `rig-${from + index}`);
}

function inputOf(claims: Partial<Claims>): DecisionInput {
  const exp = NOW_MS / 1_000 + 3_600;
  return {
    action: 'range',
    claims: { sub: `${TENANT}/viewer`, tenant: TENANT, roles: ['viewer'], exp, ...claims },
    nowMs: NOW_MS,
    request: { start: NOW_MS - 3_600_000, end: NOW_MS, step_ms: 1_000, protocol: 'http' },
  };
}

/** Loads the rules. */
export async function loadRuleSets({ log }: BenchContext): Promise<RuleSet[]> {
  const bundle = await readBundleFile(shippedBundlePath());
  const load = (tables: Readonly<Record<string, unknown>>) => {
    const data = { ...bundle.data, ...tables };
    const dataJson = Buffer.from(JSON.stringify(data));
    const options = { metrics: createMetrics(), log, clock: systemClock };
    return createPolicy({ ...bundle, data, dataJson }, options);
  };
  const shipped = await load({});
  const grouped = await load({ groups: { [TENANT]: { north: assets(20) } } });
  const users = await load({ groups: groupsOfUsers() });
  const attributes = { asset_groups: ['north'], shift: 'day', clearance: 'internal' };
  return [
    { name: 'viewer', policy: shipped, input: inputOf({}) },
    { name: 'viewer of 100 assets', policy: shipped, input: inputOf({ assets: assets(100) }) },
    { name: 'viewer of 1,000 assets', policy: shipped, input: inputOf({ assets: assets(1_000) }) },
    { name: 'group, shift and clearance', policy: grouped, input: inputOf(attributes) },
    {
      name: 'group, data for 10,000 users',
      policy: users,
      input: inputOf({ asset_groups: ['user-5000'] }),
    },
  ];
}
