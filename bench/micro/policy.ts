// policies/policy: one decision of the shipped bundle.
import { systemClock } from '../../lib/clock.ts';
import { createMetrics } from '../../lib/metrics.ts';
import type { Policy } from '../../policies/decide/decision.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import type { BenchContext } from '../case.ts';
import { TENANT } from '../workload.ts';
import type { MicroBench } from './area.ts';

export async function policyBenches({ log }: BenchContext): Promise<MicroBench[]> {
  const policy = await loadPolicy({ metrics: createMetrics(), log, clock: systemClock });
  const nowMs = systemClock();
  const assets = Array.from({ length: 20 }, (_, index) => `rig-${index}`);
  const input: Parameters<Policy['decide']>[0] = {
    action: 'range',
    claims: {
      sub: `${TENANT}/viewer`,
      tenant: TENANT,
      roles: ['viewer'],
      exp: Math.floor(nowMs / 1000) + 3600,
      assets,
    },
    nowMs,
    request: { start: nowMs - 3_600_000, end: nowMs, step_ms: 1000, protocol: 'http' },
  };
  return [
    {
      name: `policy decision for a viewer of ${assets.length} assets`,
      run() {
        const grant = policy.decide(input);
        if (!grant.allow) throw new Error(grant.reason);
        return grant;
      },
      floor: {
        name: 'its input to JSON and back',
        run: () => JSON.parse(JSON.stringify(input)) as unknown,
      },
    },
  ];
}
