// Narrowing a range, against a bucket-by-bucket reading of the rule.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { Grant, Obligations } from './grant.ts';
import { clampRange, type Domain } from './obligations.ts';

const NOW_US = 1_000_000_000;
const SECOND_US = 1_000_000;

function grantWith(obligations: Obligations): Grant {
  return {
    allow: true,
    reason: '',
    action: 'range',
    decisionId: 'd-1',
    revision: '1',
    tenant: 'acme',
    selectors: [[]],
    obligations,
  };
}

/** Bucket starts of a domain, snapped outward as a range serves them. */
function buckets({ startUs, endUs, stepUs }: Domain & { stepUs: number }): number[] {
  const starts: number[] = [];
  if (endUs <= startUs) return starts;
  for (let at = Math.floor(startUs / stepUs) * stepUs; at < endUs; at += stepUs) starts.push(at);
  return starts;
}

const obligations = fc.record(
  {
    finest_step_ms: fc.integer({ min: 1, max: 60_000 }),
    lookback_ms: fc.integer({ min: 0, max: 900_000 }),
    delay_ms: fc.integer({ min: 0, max: 300_000 }),
  },
  { requiredKeys: [] },
);
const domain = fc
  .record({
    startUs: fc.integer({ min: 0, max: NOW_US }),
    spanUs: fc.integer({ min: 0, max: 300 * SECOND_US }),
    stepUs: fc.integer({ min: 1000, max: 90_000 }).map((ms) => ms * 1000),
  })
  .map(({ startUs, spanUs, stepUs }) => ({ startUs, endUs: startUs + spanUs, stepUs }));

describe('clampRange', () => {
  it('serves a bucket exactly if it was asked for and lies wholly inside look-back and delay', () => {
    fc.assert(
      fc.property(domain, obligations, (asked, limits) => {
        const { startUs, endUs, stepUs } = clampRange(grantWith(limits), asked, NOW_US);
        if (stepUs === 'raw') throw new Error('raw was not asked for');
        const { lookback_ms: lookback, delay_ms: delay } = limits;
        const expected = buckets({ ...asked, stepUs }).filter(
          (at) =>
            (lookback === undefined || at >= NOW_US - lookback * 1000) &&
            (delay === undefined || delay === 0 || at + stepUs <= NOW_US - delay * 1000),
        );
        expect(buckets({ startUs, endUs, stepUs })).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('gives steps that are whole multiples of the finest, and the least such', () => {
    fc.assert(
      fc.property(domain, fc.integer({ min: 1, max: 60_000 }), (asked, finest_step_ms) => {
        const { stepUs } = clampRange(grantWith({ finest_step_ms }), asked, NOW_US);
        if (stepUs === 'raw') throw new Error('raw was not asked for');
        expect(stepUs % (finest_step_ms * 1000)).toBe(0);
        expect(stepUs).toBeGreaterThanOrEqual(asked.stepUs);
        expect(stepUs - finest_step_ms * 1000).toBeLessThan(asked.stepUs);
      }),
    );
  });

  it('serves raw points of look-back and delay, and no others', () => {
    fc.assert(
      fc.property(
        domain,
        obligations,
        fc.integer({ min: 0, max: NOW_US }),
        (asked, limits, timeUs) => {
          const { finest_step_ms: _, ...coarse } = limits;
          const raw = { ...asked, stepUs: 'raw' as const };
          const { startUs, endUs, stepUs } = clampRange(grantWith(coarse), raw, NOW_US);
          const { lookback_ms: lookback = Number.POSITIVE_INFINITY, delay_ms: delay = 0 } = coarse;
          const allowed =
            timeUs >= NOW_US - lookback * 1000 && (delay === 0 || timeUs < NOW_US - delay * 1000);
          const wanted = timeUs >= asked.startUs && timeUs < asked.endUs;
          expect(stepUs).toBe('raw');
          expect(timeUs >= startUs && timeUs < endUs).toBe(allowed && wanted);
        },
      ),
    );
  });

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(domain, obligations, (asked, limits) => {
        const once = clampRange(grantWith(limits), asked, NOW_US);
        expect(clampRange(grantWith(limits), once, NOW_US)).toEqual(once);
      }),
    );
  });

  const CASES: readonly (readonly [what: string, Obligations, Domain, Domain])[] = [
    [
      'leaves a range alone without obligations',
      {},
      { startUs: 5, endUs: 7, stepUs: 'raw' },
      { startUs: 5, endUs: 7, stepUs: 'raw' },
    ],
    [
      'makes minutes of raw for a caller limited to minutes',
      { finest_step_ms: 60_000 },
      { startUs: 5, endUs: 7, stepUs: 'raw' },
      { startUs: 5, endUs: 7, stepUs: 60 * SECOND_US },
    ],
    [
      'makes two minutes of ninety seconds, which would give away half minutes',
      { finest_step_ms: 60_000 },
      { startUs: 0, endUs: 7, stepUs: 90 * SECOND_US },
      { startUs: 0, endUs: 7, stepUs: 120 * SECOND_US },
    ],
    [
      'leaves nothing of a range that is too long ago',
      { lookback_ms: 1000 },
      { startUs: 0, endUs: 10, stepUs: 'raw' },
      { startUs: NOW_US - SECOND_US, endUs: NOW_US - SECOND_US, stepUs: 'raw' },
    ],
  ];
  test.each(CASES)('%s', (_what, limits, asked, expected) => {
    expect(clampRange(grantWith(limits), asked, NOW_US)).toEqual(expected);
  });
});
