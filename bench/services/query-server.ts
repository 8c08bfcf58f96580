// The query server over HTTP, with the shipped policy and a token that may read everything of the bench's tenant.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { readConfig } from '../../lib/config.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import { issueToken } from '../../policies/tokens/issue.ts';
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

/** Starts it on a port of the system's choice; it stops with the area. */
export async function startBenchServer(
  { database, feed, metrics, catalogue }: Ground,
  { log, lifecycle }: BenchContext,
): Promise<{ url: string; token: string }> {
  const clock = systemClock;
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-bench-key-'));
  lifecycle.add({ name: 'key folder', stop: () => rm(folder, { recursive: true }) });
  const key = await openSigningKey(folder);
  const order = { tenant: TENANT, roles: ['viewer'], ttlS: TOKEN_TTL_S, nowMs: clock() };
  const { token } = await issueToken(key, PROFILE, order);
  const keys = { kind: 'local', key } as const;
  const latest = lifecycle.add(await openLatest({ database, feed, catalogue, metrics, log }));
  const server = lifecycle.add(
    await startQueryServer({
      host: '127.0.0.1',
      port: 0,
      catalogue,
      rangeReader: createRangeReader({ database, feed, metrics }),
      latest,
      feed,
      policy: await loadPolicy({ metrics, log, clock }),
      tokens: await createTokenVerifier({ keys, profile: PROFILE, clock, log, metrics }),
      clock,
      log,
      metrics,
      limits: amountsOf(readConfig({})),
      corsOrigins: [],
      readiness: async () => ({}),
    }),
  );
  return { url: server.url, token };
}
