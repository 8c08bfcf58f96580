// Calendar buckets under obligations and an offset, against a reading of the rule bucket by bucket.
import fc from 'fast-check';
import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import type { Grant, Obligations } from '../../policies/grant.ts';
import { type Asked, cutDomain } from './cut.ts';
import type { Division } from './parameters.ts';

const DAY_US = 86_400_000_000;
const DAY_MS = DAY_US / 1_000;

function grantWith(obligations: Obligations): Grant {
  const told = {
    allow: true,
    reason: '',
    action: 'range',
    decisionId: 'd',
    revision: '1',
  } as const;
  return { ...told, tenant: 'acme', selectors: [[]], obligations };
}

const zone = fc.constantFrom('Europe/Oslo', 'Asia/Kolkata', 'Asia/Kathmandu', 'America/Sao_Paulo');
const unit = fc.constantFrom('day', 'week', 'month');
const nowUs = Date.parse('2026-04-20T13:17:11.123Z') * 1_000 + 457;
const asked = fc
  .record({
    zone,
    unit,
    agoUs: fc.integer({ min: -2 * DAY_US, max: 3_000 * DAY_US }),
    spanUs: fc.integer({ min: 1, max: 200 * DAY_US }),
    offsetUs: fc.constantFrom(0, 7 * DAY_US, -DAY_US, 3_600_000_000, 90_061_007_000),
  })
  .map(({ zone, unit, agoUs, spanUs, offsetUs }): Asked & { zone: string; unit: string } => {
    const lengths = { day: 1, week: 7, month: 30 };
    const startUs = nowUs - agoUs;
    const stepMs = lengths[unit] * DAY_MS;
    const resolution = { kind: 'calendar', unit, count: 1, zone, stepMs } as const;
    return { zone, unit, startUs, endUs: startUs + spanUs, offsetUs, resolution };
  });
const obligations = fc.record(
  {
    finest_step_ms: fc.constantFrom(1_000, 420_000, 3_600_000, 25_200_000, 5 * DAY_MS),
    lookback_ms: fc.integer({ min: 0, max: 3_000 * DAY_MS }),
    delay_ms: fc.integer({ min: 0, max: 10 * DAY_MS }),
  },
  { requiredKeys: [] },
);

/** First moments of the days, weeks or months about a span, one by one. */
function beginsAbout(zone: string, unit: string, startUs: number, endUs: number): number[] {
  const at = Temporal.Instant.fromEpochMilliseconds(Math.floor(startUs / 1_000));
  let date = at.toZonedDateTimeISO(zone).toPlainDate().subtract({ days: 40 });
  const begins: number[] = [];
  for (;;) {
    const isFirst = { day: true, week: date.dayOfWeek === 1, month: date.day === 1 }[unit];
    if (isFirst) begins.push(date.toZonedDateTime(zone).epochMilliseconds * 1_000);
    if ((begins.at(-1) ?? 0) > endUs) return begins;
    date = date.add({ days: 1 });
  }
}

describe('calendar buckets under obligations', () => {
  it('are those that touch what was asked for and lie wholly inside look-back and delay', () => {
    fc.assert(
      fc.property(asked, obligations, (query, limits) => {
        const { startUs, endUs, offsetUs } = query;
        const cut = cutDomain(query, grantWith(limits), 1, nowUs);
        if (cut.resolution.kind !== 'edges') throw new Error('edges were expected');
        const finestUs = (limits.finest_step_ms ?? 0) * 1_000;
        const snap = (us: number) => (finestUs === 0 ? us : Math.floor(us / finestUs) * finestUs);
        const begins = beginsAbout(query.zone, query.unit, startUs, endUs + finestUs + 40 * DAY_US);
        const edges = [...new Set(begins.map((us) => snap(us - offsetUs)))];
        const earliestUs = nowUs - (limits.lookback_ms ?? Number.POSITIVE_INFINITY) * 1_000;
        const latestUs = limits.delay_ms ? nowUs - limits.delay_ms * 1_000 : Infinity;
        const buckets = edges.slice(1).flatMap((end, i) => {
          const start = edges[i] ?? Number.NaN;
          const touches = end > startUs - offsetUs && start < endUs - offsetUs;
          return touches && start >= earliestUs && end <= latestUs ? [[start, end]] : [];
        });
        const { edgesUs } = cut.resolution;
        const served = Array.from(edgesUs.subarray(1), (end, i) => [edgesUs[i], end]);
        expect(served).toEqual(buckets);
        for (const edge of edgesUs) expect(finestUs === 0 ? 0 : Math.abs(edge % finestUs)).toBe(0);
        const lengths = new Set(served.map(([start = 0, end = 0]) => (end - start) / 1_000));
        if (cut.stepMs !== null && served.length > 0) expect([...lengths]).toEqual([cut.stepMs]);
      }),
      { numRuns: 200 },
    );
  });

  it('are no more than the budget of points, wherever the domain lies', () => {
    const anywhere = fc.integer({ min: -700_000, max: 2_900_000 }).map((day) => day * DAY_US);
    fc.assert(
      fc.property(
        asked,
        anywhere,
        anywhere,
        fc.integer({ min: 1, max: 40 }),
        (query, a, b, max) => {
          const [startUs, endUs] = [Math.min(a, b), Math.max(a, b) + 1];
          try {
            const grant = grantWith({ max_points: max });
            const { resolution } = cutDomain({ ...query, startUs, endUs }, grant, 1, nowUs);
            if (resolution.kind !== 'edges') throw new Error('edges were expected');
            expect(resolution.edgesUs.length - 1).toBeLessThanOrEqual(max);
          } catch (thrown) {
            expect(thrown).toMatchObject({ code: 'forbidden' });
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('of millennia are refused before anybody looks for their edges', () => {
    const sinceMs = performance.now();
    const resolution: Division = {
      kind: 'calendar',
      unit: 'day',
      count: 1,
      stepMs: DAY_MS,
      zone: 'Europe/Oslo',
    };
    const query: Asked = {
      startUs: -700_000 * DAY_US,
      endUs: 2_900_000 * DAY_US,
      offsetUs: 0,
      resolution,
    };
    expect(() => cutDomain(query, grantWith({}), 1, nowUs)).toThrow(
      expect.objectContaining({ code: 'too_costly' }),
    );
    expect(performance.now() - sinceMs).toBeLessThan(100);
  });
});
