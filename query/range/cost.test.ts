import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailraceError } from '../../lib/errors.ts';
import type { Grant, Obligations } from '../../policies/grant.ts';
import { type CostFacts, countedBy } from '../../store/range/estimate.ts';
import type { RangeRequest } from '../../store/range/range.ts';
import { parseStep } from '../../store/range/step.ts';
import type { Series } from '../../store/series.ts';
import { admitCost, admittedStep } from './cost.ts';
import { cutDomain } from './cut.ts';
import type { Division } from './parameters.ts';

const DAY_US = 86_400e6;
const NOW_US = Date.UTC(2026, 5, 1) * 1_000;

const grantOf = (obligations: Obligations): Grant => ({
  ...{ allow: true, reason: '', action: 'range', decisionId: '', revision: '', tenant: 'acme' },
  ...{ selectors: [], obligations },
});

const seriesOf = (count: number): Series[] =>
  Array.from({ length: count }, (_, id) => ({ id, kind: 'number' }) as Series);

const rollup = (family: 'm4' | 'path' | 'sketch', level: string, bucketS: number) => ({
  ...{ family, level, ordinal: bucketS, name: `${family}_${level}`, bucketUs: bucketS * 1e6 },
  materialisedBeforeUs: NOW_US - 600e6,
});

const ROLLUPS = [
  rollup('m4', '1m', 60),
  rollup('m4', '15m', 900),
  rollup('m4', '1h', 3_600),
  rollup('m4', '1d', 86_400),
  rollup('path', '1m', 60),
];

interface Case {
  readonly seriesCount: number;
  readonly spanUs: number;
  readonly division: Division;
  readonly facts: CostFacts;
  readonly rowsMax: number;
  readonly obligations: Obligations;
  readonly path: boolean;
}

/** What the question comes to: undefined where it is admitted, else the refusal. */
async function priced(one: Case, division = one.division): Promise<TailraceError | undefined> {
  const startUs = NOW_US - one.spanUs;
  const again = (by: Division): RangeRequest => {
    const asked = { startUs, endUs: NOW_US, resolution: by, offsetUs: 0 };
    const { stepMs: _, ...cut } = cutDomain(
      asked,
      grantOf(one.obligations),
      one.seriesCount,
      NOW_US,
    );
    return { series: seriesOf(one.seriesCount), ...cut, path: one.path };
  };
  const reader = { rowsMax: one.rowsMax, costFacts: async () => one.facts };
  try {
    const request = await admittedStep(division, again, reader, one.spanUs, () => again(division));
    await admitCost(request, division, again, reader);
    return undefined;
  } catch (thrown) {
    if (thrown instanceof TailraceError) return thrown;
    throw thrown;
  }
}

const step = (text: string): Division => {
  const { stepMs, originMs } = parseStep(text);
  return { kind: 'step', stepMs, originMs };
};

const YEAR: Case = {
  ...{ seriesCount: 1, spanUs: 365 * DAY_US, division: step('1ms'), rowsMax: 4_000_000 },
  ...{ facts: { rollups: ROLLUPS, pointsPerUs: 1e-6 }, obligations: {}, path: false },
};

describe('what a range would read', () => {
  it('is counted by whole buckets within the domain: what lies beyond may be beyond its caller', () => {
    const [startUs, endUs] = [NOW_US - 30 * DAY_US + 60e6, NOW_US - 3_600e6];
    const resolution = { kind: 'step', stepMs: 1 } as const;
    const counted = countedBy({ series: [], startUs, endUs, resolution }, ROLLUPS);
    expect(counted).toMatchObject({ name: 'm4_1d', startUs: NOW_US - 29 * DAY_US });
    expect(counted?.endUs).toBe(NOW_US - DAY_US);
  });

  it.each<[string, Partial<Case>, string | null | undefined]>([
    [
      'an hour of ten series',
      { spanUs: 3_600e6, seriesCount: 10, division: step('1s') },
      undefined,
    ],
    ['a year by the hour', { division: step('1h') }, undefined],
    ['a year by the minute', { division: step('1m') }, undefined],
    ['a year of a point a second by 50 s', { division: step('50s') }, '1m'],
    [
      '60 days of 1,000 points a second by the 45 s',
      {
        spanUs: 60 * DAY_US,
        division: step('45s'),
        facts: { rollups: ROLLUPS, pointsPerUs: 1e-3 },
      },
      '1m',
    ],
    ['1,000 series of a year by the day', { seriesCount: 1_000, division: step('1d') }, undefined],
    [
      '10,000 series, whose last minutes alone are too much',
      { seriesCount: 10_000, division: step('10d') },
      null,
    ],
    [
      'where nothing is rolled up',
      {
        division: step('1h'),
        facts: { rollups: [], pointsPerUs: 1e-6 },
      },
      null,
    ],
  ])('%s', async (_name, given, told) => {
    const refusal = await priced({ ...YEAR, ...given });
    // null: refused, and no step would do.
    expect(refusal === undefined ? undefined : (refusal.details.step ?? null)).toBe(told);
  });

  it('is told a step that is admitted, where one is told', async () => {
    const families = fc.subarray(ROLLUPS);
    const division = fc.oneof(
      fc.constantFrom('1ms', '50ms', '1s', '7s', '30s', '90s', '5m', '1h', '7h', '1d').map(step),
      fc.integer({ min: 1, max: 10_000 }).map((pixels): Division => ({ kind: 'width', pixels })),
      fc.constantFrom('Europe/Oslo', 'Asia/Kolkata').map(
        (zone): Division => ({
          kind: 'calendar',
          unit: 'day',
          count: 1,
          zone,
          stepMs: 86_400_000,
        }),
      ),
    );
    const cases: fc.Arbitrary<Case> = fc.record({
      seriesCount: fc.constantFrom(1, 3, 100, 1_000, 10_000),
      spanUs: fc.integer({ min: 1, max: 3_000 }).map((hours) => hours * 3_600e6),
      division,
      facts: fc.record({
        rollups: families,
        pointsPerUs: fc.constantFrom(0, 1e-9, 1e-6, 1e-4, 1e-3),
      }),
      rowsMax: fc.constantFrom(1_000, 100_000, 4_000_000),
      obligations: fc.constantFrom<Obligations>(
        {},
        { finest_step_ms: 60_000 },
        { lookback_ms: 86_400_000 },
      ),
      path: fc.boolean(),
    });
    let told = 0;
    await fc.assert(
      fc.asyncProperty(cases, async (one) => {
        const refusal = await priced(one);
        const text = refusal?.details.step;
        if (typeof text !== 'string') return;
        told += 1;
        const { stepMs } = parseStep(text);
        const zone = one.division.kind === 'calendar' ? one.division.zone : undefined;
        const isDays = stepMs % 86_400_000 === 0;
        const by: Division =
          zone !== undefined && isDays
            ? { kind: 'calendar', unit: 'day', count: stepMs / 86_400_000, zone, stepMs }
            : { kind: 'step', stepMs, originMs: 0 };
        expect(await priced(one, by)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
    expect(told).toBeGreaterThan(3);
  });
});
