// How many readings a tenant may send each second, where that is limited. A device at the embedded broker is not read
// from until its tenant is below the quota again. What comes from a broker outside comes on one connection for all
// tenants, where nobody can be kept waiting alone: the excess is a dead letter, which can be replayed.
import type { Clock } from '../../lib/clock.ts';
import { createBuckets } from '../../lib/limits/buckets.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Fault } from '../fault.ts';

export interface ReadingsQuota {
  /** How long the tenant is over its quota yet, in ms; 0 where it is not. */
  waitMs(tenant: string): number;
  /** Counts readings, into debt if need be: how many a message holds is known only when it was read. */
  take(tenant: string, readings: number): void;
  readonly exceeded: Fault;
}

/** Tenants that are remembered. */
const TENANTS_MAX = 10_000;

/** Makes a quota: so many readings a second, and as many as of one second at a time. */
export function createReadingsQuota(options: {
  readonly readingsPerS: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
}): ReadingsQuota {
  const { readingsPerS, metrics, clock } = options;
  const buckets = createBuckets({ perS: readingsPerS, burst: readingsPerS }, TENANTS_MAX);
  metrics.bounded('ingest_quotas', () => buckets.size, TENANTS_MAX);
  return {
    waitMs: (tenant) => buckets.waitMs(tenant, 0, clock()),
    take: (tenant, readings) => buckets.take(tenant, readings, clock()),
    exceeded: {
      code: 'quota_exceeded',
      reason:
        `The tenant sends more than ${readingsPerS} readings a second ` +
        '(LIMIT_TENANT_READINGS_PER_S); what was too much can be replayed.',
    },
  };
}
