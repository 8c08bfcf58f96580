// Decisions of the shipped bundle in WebAssembly, by the same table as OPA's own tests; and every way to fail denies.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { type Bundle, readBundleFile, shippedBundlePath } from '../bundles/bundle.ts';
import type { Claims } from '../grant.ts';
import type { Policy } from './decision.ts';
import { createEvaluator, type Evaluate } from './evaluator.ts';
import { createPolicy, loadPolicy } from './policy.ts';

interface Case {
  readonly note: string;
  readonly input: object;
  readonly expect: object;
}

const casesUrl = new URL('../cases.json', import.meta.url);
const { cases, tables } = JSON.parse(readFileSync(casesUrl, 'utf8')) as {
  readonly cases: readonly Case[];
  readonly tables: Readonly<Record<string, unknown>>;
};
const NOW_MS = 1_700_000_000_000;
const CLAIMS: Claims = { sub: 's', tenant: 'acme', roles: ['viewer'], exp: 2_000_000_000 };

function options() {
  return { metrics: createMetrics(), log: createLog('silent'), clock: () => NOW_MS };
}

describe('the shipped rules in WebAssembly', () => {
  let evaluate: Evaluate;
  beforeAll(async () => {
    const shipped = await readBundleFile(shippedBundlePath());
    evaluate = createEvaluator({ ...shipped, data: { ...shipped.data, ...tables } });
  });

  test.each(cases)('$note', ({ input, expect: result }) => {
    expect(evaluate(input)).toEqual([{ result }]);
  });
});

describe('the shipped policy', () => {
  let policy: Policy;
  beforeAll(async () => {
    policy = await loadPolicy(options());
  });

  it('grants a viewer the listed assets', () => {
    const claims = { ...CLAIMS, assets: ['rig-1'] };
    expect(policy.decide({ action: 'range', claims, nowMs: NOW_MS })).toMatchObject({
      allow: true,
      selectors: [[{ label: 'asset', op: '=', value: 'rig-1' }]],
      obligations: {},
    });
  });

  it('refuses with the reason of the rule', () => {
    const claims = { ...CLAIMS, roles: ['device'], assets: ['rig-1'] };
    const labels = { tenant: 'acme', asset: 'rig-9', channel: 'mud/flow' };
    expect(policy.decide({ action: 'publish', claims, labels, nowMs: NOW_MS })).toMatchObject({
      allow: false,
      reason: "asset rig-9 is not among the token's assets",
      selectors: [],
    });
  });

  it('gives every decision an id of its own, and names action, tenant and revision', () => {
    const asked = { action: 'range', claims: CLAIMS, nowMs: NOW_MS } as const;
    const [first, second] = [policy.decide(asked), policy.decide(asked)];
    expect(first).toMatchObject({ action: 'range', tenant: 'acme', revision: policy.revision });
    expect(first.decisionId).not.toBe(second.decisionId);
    expect(first.decisionId.length).toBeLessThan(20);
  });
});

describe('a policy that fails', () => {
  let shipped: Bundle;
  beforeAll(async () => {
    shipped = await readBundleFile(shippedBundlePath());
  });

  function withObligations(obligations: Record<string, unknown>): Bundle {
    return { ...shipped, data: { roles: { viewer: { actions: ['range'], obligations } } } };
  }
  const asked = { action: 'range', claims: CLAIMS, nowMs: NOW_MS } as const;
  const denial = { allow: false, selectors: [], obligations: {}, reason: /could not decide/ };

  it('passes on obligations that it knows', async () => {
    const obligations = { finest_step_ms: 60_000, redact: ['crew'] };
    const policy = await createPolicy(withObligations(obligations), options());
    expect(policy.decide(asked)).toMatchObject({ allow: true, obligations });
  });

  test.each([[{ watermark: true }], [{ finest_step_ms: 'fine' }], [{ lookback_ms: -1 }]])(
    'denies with the obligation %j',
    async (obligations) => {
      const policy = await createPolicy(withObligations(obligations), options());
      const grant = policy.decide(asked);
      expect(grant).toMatchObject({ ...denial, reason: expect.stringMatching(denial.reason) });
    },
  );

  it('denies where the input cannot be given to it', async () => {
    const policy = await createPolicy(shipped, options());
    const grant = policy.decide({ ...asked, claims: { ...CLAIMS, odd: 1n } });
    expect(grant).toMatchObject({ ...denial, reason: expect.stringMatching(denial.reason) });
    expect(policy.decide(asked).allow).toBe(true);
  });

  it('denies where it runs out of memory, and decides again afterwards', async () => {
    const policy = await createPolicy(shipped, { ...options(), memoryPagesMax: 8 });
    const assets = Array.from({ length: 2000 }, (_, n) => `rig-${n}`.padEnd(200, 'x'));
    const grant = policy.decide({ ...asked, claims: { ...CLAIMS, assets } });
    expect(grant).toMatchObject({ ...denial, reason: expect.stringMatching(denial.reason) });
    expect(policy.decide(asked).allow).toBe(true);
  });

  it('does not start without WebAssembly that runs, nor from a URL', async () => {
    const broken = { ...shipped, wasm: shipped.wasm.subarray(0, 1000) };
    await expect(createPolicy(broken, options())).rejects.toThrow(/policy\.wasm does not start/);
    const location = 'https://policies.example/bundle.tar.gz';
    await expect(loadPolicy({ ...options(), location })).rejects.toThrow(/give the path/);
  });

  it('measures its decisions and says how old its bundle is', async () => {
    const metrics = createMetrics();
    let nowMs = NOW_MS;
    const policy = await createPolicy(shipped, { ...options(), metrics, clock: () => nowMs });
    policy.decide(asked);
    nowMs += 5_000;
    const exposition = await metrics.exposition();
    expect(exposition).toContain('tailrace_policy_decision_seconds_count 1');
    expect(exposition).toContain('tailrace_policy_bundle_age_seconds 5');
  });
});
