// The query server over HTTP, with the shipped policy and a token that may read everything of the bench's tenant.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { readConfig } from '../../lib/config.ts';
import type { Policy } from '../../policies/decide/decision.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import { issueToken } from '../../policies/tokens/issue.ts';
import type { Revocations } from '../../policies/tokens/revocations.ts';
import { openSigningKey } from '../../policies/tokens/signing-key.ts';
import { createTokenVerifier, type TokenProfile } from '../../policies/tokens/verifier.ts';
import { amountsOf } from '../../query/limits/amounts.ts';
import { startQueryServer } from '../../query/server.ts';
import { openLatest } from '../../store/latest.ts';
import { createRangeReader } from '../../store/range/read.ts';
import type { BenchContext } from '../case.ts';
import type { Ground } from '../setup.ts';
import { TENANT } from '../workload.ts';

const PROFILE: TokenProfile = {
  issuers: ['bench'],
  audiences: ['bench'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};
const TOKEN_TTL_S = 24 * 3600;

export interface BenchServer {
  readonly url: string;
  /** Of a viewer. */
  readonly token: string;
  /** Another of the same viewer, with further claims. */
  issue(claims: Readonly<Record<string, unknown>>): Promise<string>;
  readonly revocations: Revocations;
}

/**
 * Starts it on a port of the system's choice, with the shipped policy unless given, and limits as they are by default
 * but for what the environment says; it stops with the area.
 */
export async function startBenchServer(
  { database, feed, metrics, catalogue }: Ground,
  { log, lifecycle }: BenchContext,
  given?: Policy,
  environment: Readonly<Record<string, string>> = {},
): Promise<BenchServer> {
  const clock = systemClock;
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-bench-key-'));
  lifecycle.add({ name: 'key folder', stop: () => rm(folder, { recursive: true }) });
  const key = await openSigningKey(folder);
  const issue = async (claims: Readonly<Record<string, unknown>>) => {
    const order = { tenant: TENANT, roles: ['viewer'], ttlS: TOKEN_TTL_S, claims, nowMs: clock() };
    return (await issueToken(key, PROFILE, order)).token;
  };
  const keys = { kind: 'local', key } as const;
  const tokens = await createTokenVerifier({ keys, profile: PROFILE, clock, log, metrics });
  const latest = lifecycle.add(await openLatest({ database, feed, catalogue, metrics, log }));
  const server = lifecycle.add(
    await startQueryServer({
      ...{ host: '127.0.0.1', port: 0, catalogue, latest, feed, tokens, clock, log, metrics },
      rangeReader: createRangeReader({ database, feed, metrics }),
      policy: given ?? (await loadPolicy({ metrics, log, clock })),
      limits: amountsOf(readConfig(environment)),
      corsOrigins: [],
      readiness: async () => ({}),
    }),
  );
  const { revocations } = tokens;
  return { url: server.url, token: await issue({}), issue, revocations };
}
