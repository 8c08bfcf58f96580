import { expect, it } from 'vitest';
import { createMetrics } from '../../lib/metrics.ts';
import type { WantedSeries } from '../batch.ts';
import { createSeriesGuard } from './series-guard.ts';

const wanted = (tenant: string, channel: string): WantedSeries => ({
  ...{ tenant, asset: 'b', channel, labels: {}, unit: null, kind: 'number', firstUs: 0 },
});

/** A guard over a catalogue that creates whatever is admitted. */
function start(limits: { seriesMax?: number; newPerS?: number; newBurst?: number }) {
  let nowMs = 0;
  const created = new Map<string, number>();
  const known = new Set<string>();
  const metrics = createMetrics();
  const admit = createSeriesGuard({
    catalogue: {
      findByIdentity: ({ tenant, channel }) =>
        known.has(`${tenant} ${channel}`) ? ({ id: 1 } as never) : undefined,
      countOf: (tenant) => created.get(tenant) ?? 0,
    },
    ...{ seriesMax: 1_000_000, newPerS: 1_000, newBurst: 1_000_000, ...limits },
    metrics,
    clock: () => nowMs,
  });
  return {
    metrics,
    wait(ms: number) {
      nowMs += ms;
    },
    /** Wants so many new series; gives how many were admitted, and the codes of the others. */
    want(tenant: string, count: number, prefix = `${nowMs}-`) {
      const series = Array.from({ length: count }, (_, i) => wanted(tenant, `${prefix}${i}`));
      const { admitted, refused } = admit(series);
      created.set(tenant, (created.get(tenant) ?? 0) + admitted.length);
      for (const { channel } of admitted) known.add(`${tenant} ${channel}`);
      const codes = new Set(Array.from(refused.values(), ({ code }) => code));
      expect(admitted.length + refused.size).toBeLessThanOrEqual(count);
      return [admitted.length, ...codes];
    },
  };
}

it('lets a tenant make so many series and no more, whatever others have', () => {
  const { want } = start({ seriesMax: 10 });
  expect(want('a', 8)).toEqual([8]);
  expect(want('a', 8, 'more')).toEqual([2, 'series_limit']);
  expect(want('a', 8, 'again')).toEqual([0, 'series_limit']);
  expect(want('b', 8)).toEqual([8]);
});

it('does not ask what is known already', () => {
  const { want } = start({ seriesMax: 10 });
  expect(want('a', 10, 'x')).toEqual([10]);
  expect(want('a', 10, 'x')).toEqual([0]);
});

it('lets a burst through, then so many a second, for each tenant', async () => {
  const { want, wait, metrics } = start({ newPerS: 10, newBurst: 100 });
  expect(want('a', 150)).toEqual([100, 'series_rate']);
  expect(want('b', 100)).toEqual([100]);
  wait(1_000);
  expect(want('a', 150)).toEqual([10, 'series_rate']);
  wait(60_000);
  expect(want('a', 150)).toEqual([100, 'series_rate']);
  expect(await metrics.exposition()).toContain(
    'tailrace_ingest_series_refused_total{code="series_rate"} 240',
  );
});
