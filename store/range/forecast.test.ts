import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../lib/metrics.ts';
import { createForecast, type FamilyRollup } from './forecast.ts';

const rollupUpTo = (materialisedBeforeUs: number): FamilyRollup => ({
  ...{ name: 'rollup_1m', family: 'm4', level: '1m', ordinal: 1, bucketUs: 60_000_000 },
  materialisedBeforeUs,
});

describe('a forecast of the rollups', () => {
  it('is what was seen last, and nothing before anything was seen', () => {
    const forecast = createForecast(createMetrics());
    expect(forecast.rollupsFor([1])).toBeUndefined();
    forecast.saw([rollupUpTo(1)], [1], false);
    forecast.saw([rollupUpTo(2)], [2], false);
    expect(forecast.rollupsFor([1])).toEqual([rollupUpTo(2)]);
  });

  it('is none for series that were stale, until they are not', () => {
    const forecast = createForecast(createMetrics());
    forecast.saw([rollupUpTo(1)], [1, 2], true);
    expect(forecast.rollupsFor([2, 3])).toBeUndefined();
    expect(forecast.rollupsFor([3])).toEqual([rollupUpTo(1)]);
    forecast.saw([rollupUpTo(1)], [2], false);
    expect(forecast.rollupsFor([2, 3])).toEqual([rollupUpTo(1)]);
  });

  it('keeps no more stale series in mind than it may, whatever it sees', async () => {
    const metrics = createMetrics();
    const forecast = createForecast(metrics);
    const ids = Array.from({ length: 30_000 }, (_, id) => id);
    forecast.saw([rollupUpTo(1)], ids, true);
    const exposition = await metrics.exposition();
    expect(exposition).toMatch(/^tailrace_range_forecast_stale_series_size 10000$/m);
    expect(exposition).toMatch(/^tailrace_range_forecast_stale_series_max 10000$/m);
    // Those that it does not keep in mind cost a statement more each time.
    expect(forecast.rollupsFor([29_999])).toEqual([rollupUpTo(1)]);
  });
});
