// How many series a tenant may make, and how fast: a timestamp in a topic must not make a million of them.
import type { Clock } from '../../lib/clock.ts';
import { createBuckets } from '../../lib/limits/buckets.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { WantedSeries } from '../batch.ts';
import type { Fault } from '../fault.ts';
import type { FindSeries } from '../series-lookup.ts';

/** What may be created of what is wanted, and why the rest may not. */
export type AdmitSeries = (wanted: readonly WantedSeries[]) => {
  readonly admitted: readonly WantedSeries[];
  readonly refused: ReadonlyMap<WantedSeries, Fault>;
};

export interface SeriesGuardOptions {
  readonly catalogue: {
    readonly findByIdentity: FindSeries;
    /** Series of a tenant. */
    countOf(tenant: string): number;
  };
  readonly seriesMax: number;
  readonly newPerS: number;
  readonly newBurst: number;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Tenants whose rate is remembered. */
const TENANTS_MAX = 10_000;

/** Makes the guard. Counts are of the whole database, as far as this process knows it; rates are of this process. */
export function createSeriesGuard(options: SeriesGuardOptions): AdmitSeries {
  const { catalogue, seriesMax, newPerS, newBurst, metrics, clock } = options;
  const rates = createBuckets({ perS: newPerS, burst: newBurst }, TENANTS_MAX);
  metrics.bounded('ingest_series_rates', () => rates.size, TENANTS_MAX);
  const refusals = metrics.counter(
    'tailrace_ingest_series_refused_total',
    'new series that were not created, whose readings are dead letters: their tenant has too many, or too many at once',
    ['code'],
  );
  const limit: Fault = {
    code: 'series_limit',
    reason:
      `The tenant has ${seriesMax} series, which is as many as it may have (LIMIT_TENANT_SERIES): ` +
      'is something in the topic or the labels different in every message?',
  };
  const rate: Fault = {
    code: 'series_rate',
    reason:
      `The tenant makes new series faster than it may (LIMIT_TENANT_NEW_SERIES_PER_S is ${newPerS}): ` +
      'is something in the topic or the labels different in every message?',
  };

  return (wanted) => {
    const nowMs = clock();
    const counts = new Map<string, number>();
    const admitted: WantedSeries[] = [];
    const refused = new Map<WantedSeries, Fault>();
    for (const series of wanted) {
      // The batch before may have created it.
      if (catalogue.findByIdentity(series) !== undefined) continue;
      const { tenant } = series;
      const count = counts.get(tenant) ?? catalogue.countOf(tenant);
      const fault =
        count >= seriesMax ? limit : rates.waitMs(tenant, 1, nowMs) > 0 ? rate : undefined;
      if (fault !== undefined) {
        refused.set(series, fault);
        refusals.inc({ code: fault.code });
        continue;
      }
      rates.take(tenant, 1, nowMs);
      counts.set(tenant, count + 1);
      admitted.push(series);
    }
    return { admitted, refused };
  };
}
