// What obligations leave of a range, against a reading of the rule bucket by bucket.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Grant, Obligations } from '../../policies/grant.ts';
import { parseStep } from '../../store/range/step.ts';
import { type Asked, type Cut, cutDomain } from './cut.ts';
import type { Division } from './parameters.ts';

const DAY_MS = 86_400_000;

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

const obligations = fc.record(
  {
    finest_step_ms: fc.oneof(
      fc.constantFrom(1, 7, 1_000, 60_000, 420_000, 3_600_000, 5 * DAY_MS),
      fc.integer({ min: 1, max: 7_200_000 }),
    ),
    lookback_ms: fc.oneof(fc.integer({ min: 0, max: 40 * DAY_MS }), fc.constant(0.5)),
    delay_ms: fc.oneof(fc.integer({ min: 0, max: 10 * DAY_MS }), fc.constant(1.25)),
    max_points: fc.integer({ min: 1, max: 500 }),
  },
  { requiredKeys: [] },
);

const resolution: fc.Arbitrary<Division> = fc.oneof(
  fc
    .constantFrom('7s', '30s', '1m', '90s', '7m', '1h', '5h', '1d', '1w', '2w', '30d')
    .map((text) => {
      const { stepMs, originMs } = parseStep(text);
      return { kind: 'step' as const, stepMs, originMs };
    }),
  fc.integer({ min: 1, max: 2_000 }).map((pixels) => ({ kind: 'width' as const, pixels })),
  fc.constant({ kind: 'raw', limit: 1_000 } as const),
);

const question = fc
  .record({
    resolution,
    // Awkward times: no edge of anything, some before 1970, some ahead of now.
    nowUs: fc.integer({ min: 1_700_000_000, max: 1_800_000_000 }).map((s) => s * 1e6 + 123_457),
    agoUs: fc.integer({ min: -3_600_000, max: 70 * 86_400 }).map((s) => s * 1e6 + 7),
    spanUs: fc.integer({ min: 1, max: 400_000 }).map((s) => s * 1e6 - 3),
  })
  .map(({ resolution, nowUs, agoUs, spanUs }) => ({
    nowUs,
    query: {
      ...{ startUs: nowUs - agoUs, endUs: nowUs - agoUs + spanUs, resolution },
      offsetUs: 0,
    } as const satisfies Asked,
  }));

/** Starts of the buckets that a request touches, or undefined of raw. */
function bucketsOf({ startUs, endUs, resolution }: Cut) {
  if (resolution.kind !== 'step') return undefined;
  const stepUs = resolution.stepMs * 1_000;
  const originUs = (resolution.originMs ?? 0) * 1_000;
  return { stepUs, originUs, starts: touched(startUs, endUs, stepUs, originUs) };
}

function touched(startUs: number, endUs: number, stepUs: number, originUs: number): number[] {
  const starts: number[] = [];
  if (endUs <= startUs) return starts;
  const first = Math.floor((startUs - originUs) / stepUs) * stepUs + originUs;
  for (let at = first; at < endUs; at += stepUs) starts.push(at);
  return starts;
}

function attempt(work: () => Cut): Cut | string {
  try {
    return work();
  } catch (thrown) {
    return String((thrown as { code?: unknown }).code);
  }
}

describe('what is asked of the store under obligations', () => {
  it('is every bucket that was asked for and lies wholly inside look-back and delay, and no other', () => {
    fc.assert(
      fc.property(question, obligations, ({ query, nowUs }, { max_points: _, ...limits }) => {
        const request = attempt(() => cutDomain(query, grantWith(limits), 2, nowUs));
        if (request === 'too_costly') return;
        if (typeof request === 'string') throw new Error(request);
        const served = bucketsOf(request);
        if (served === undefined) return;
        const { lookback_ms: lookback, delay_ms: delay = 0, finest_step_ms: finest = 1 } = limits;
        const { stepUs, originUs, starts } = served;
        fc.pre((query.endUs - query.startUs) / stepUs < 20_000);
        const expected = touched(query.startUs, query.endUs, stepUs, originUs).filter(
          (at) =>
            (lookback === undefined || at >= nowUs - lookback * 1_000) &&
            (delay === 0 || at + stepUs <= nowUs - delay * 1_000),
        );
        expect(starts).toEqual(expected);
        // Edges of buckets are edges of the finest: no difference of two answers is finer than the finest.
        for (const at of starts) expect(Math.abs(at % (finest * 1_000))).toBe(0);
      }),
      { numRuns: 400 },
    );
  });

  it('is no more than the budget of points, or refused where a point a series is too many', () => {
    fc.assert(
      fc.property(
        question,
        obligations,
        fc.integer({ min: 1, max: 9 }),
        ({ query, nowUs }, limits, count) => {
          const { max_points: max } = limits;
          if (max === undefined) return;
          const request = attempt(() => cutDomain(query, grantWith(limits), count, nowUs));
          if (request === 'forbidden') expect(count).toBeGreaterThan(max / 2);
          else if (typeof request === 'string') throw new Error(request);
          else if (request.resolution.kind === 'raw')
            expect(request.resolution.limit).toBeLessThanOrEqual(max);
          else {
            expect((bucketsOf(request)?.starts.length ?? 0) * count).toBeLessThanOrEqual(max);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('is raw only where there is no finest step', () => {
    fc.assert(
      fc.property(question, obligations, ({ query, nowUs }, { max_points: _, ...limits }) => {
        const raw = { ...query, resolution: { kind: 'raw', limit: 1_000 } } as const;
        const request = attempt(() => cutDomain(raw, grantWith(limits), 1, nowUs));
        if (typeof request === 'string') return;
        const { kind } = request.resolution;
        expect(kind).toBe(limits.finest_step_ms === undefined ? 'raw' : 'step');
      }),
    );
  });
});
