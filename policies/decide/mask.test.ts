import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Claims, Grant } from '../grant.ts';
import type { Decision } from './decision.ts';
import { indexedText, recordOf } from './mask.ts';

const CLAIMS: Claims = { sub: 'ann', tenant: 'acme', roles: ['viewer'], exp: 2e9, jti: 't-1' };
const GRANT: Grant = {
  ...{ allow: true, reason: 'role viewer may range', action: 'range', decisionId: 'p-1' },
  ...{ revision: '7', tenant: 'acme', obligations: { delay_ms: 5 } },
  selectors: [[{ label: 'asset', op: '=', value: 'rig-1' }]],
};

function decision(claims: Readonly<Record<string, unknown>> = {}, grant = {}): Decision {
  const request = { start: 1, end: 2, step_ms: null, protocol: 'http' };
  const input = {
    action: 'range',
    claims: { ...CLAIMS, ...claims },
    nowMs: 1e12,
    request,
  } as const;
  return { input, grant: { ...GRANT, ...grant }, durationUs: 12.3456 };
}

describe('the record of a decision', () => {
  it('says who asked for what, by which rules, and what came of it', () => {
    expect(recordOf(decision({ email: 'ann@example.org', assets: ['rig-1'] }))).toEqual({
      ...{ id: 'p-1', time_us: 1e15, tenant: 'acme', subject: 'ann', action: 'range' },
      ...{ allowed: true, revision: '7', duration_us: 12.3 },
      input: {
        ...{ action: 'range', now: 1e12, tenant: 'acme' },
        subject: { ...CLAIMS, assets: ['rig-1'], email: '***' },
        request: { start: 1, end: 2, step_ms: null, protocol: 'http' },
        masked: ['subject.email'],
      },
      result: {
        ...{ allow: true, reason: 'role viewer may range', series: GRANT.selectors },
        ...{ series_count: 1, obligations: { delay_ms: 5 } },
      },
    });
  });

  it('keeps what a write was for, and what was wrong with the policy', () => {
    const { input, grant, durationUs } = decision();
    const labels = { tenant: 'acme', asset: 'rig-1', channel: 'x'.repeat(5_000) };
    const record = recordOf({ input: { ...input, labels }, grant, durationUs, fault: 'no object' });
    expect(record.input.labels).toEqual({ tenant: 'acme', asset: 'rig-1' });
    expect(record.input.erased).toEqual(['labels.channel']);
    expect(record.result.fault).toBe('no object');
  });

  it('holds no value of a claim that it does not know, whatever it is', () => {
    const secret = fc.uuid().map((id) => `secret-${id}`);
    const value = fc.oneof(
      secret,
      fc.array(secret, { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b'), secret),
      fc.record({ deep: fc.record({ deeper: fc.array(secret) }) }),
    );
    const claims = fc.dictionary(
      fc.string({ maxLength: 10 }).map((name) => `x${name}`),
      value,
    );
    fc.assert(
      fc.property(claims, (others) => {
        const text = JSON.stringify(recordOf(decision(others)));
        expect(text).not.toContain('secret-');
        const { input } = recordOf(decision(others));
        expect(input.masked ?? []).toHaveLength(Object.keys(others).length);
      }),
    );
  });

  it('stays small, and what a database cannot hold is replaced', () => {
    const text = fc.string({ unit: 'binary', maxLength: 16_000 });
    const selector = fc.record({ label: text, op: fc.constant('='), value: text });
    fc.assert(
      fc.property(
        fc.dictionary(text, fc.oneof(text, fc.array(text, { maxLength: 5 }))),
        fc.array(fc.array(selector, { maxLength: 3 }), { maxLength: 300 }),
        text,
        (claims, selectors, reason) => {
          const sub = `${reason}\0\ud800`;
          const record = recordOf(decision({ ...claims, sub }, { selectors, reason }));
          const json = JSON.stringify(record);
          expect(json.length).toBeLessThan(200_000);
          expect(json).not.toMatch(/\\u0000|\\ud[89a-f]/);
          expect(record.result.series_count).toBe(selectors.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('counts selectors, and lists the first hundred', () => {
    const selectors = Array.from({ length: 5_000 }, (_, i) => [
      { label: 'asset', op: '=', value: `rig-${i}` },
    ]);
    const { result } = recordOf(decision({}, { selectors }));
    expect(result.series).toEqual(selectors.slice(0, 100));
    expect(result.series_count).toBe(5_000);
  });

  it('erases a claim that is too large, known or not, and says so', () => {
    const claims = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`c${i}`, i]));
    const { input } = recordOf(decision({ ...claims, assets: ['x'.repeat(5_000)] }));
    expect(input.subject).not.toHaveProperty('assets');
    expect(input.subject).toMatchObject({ sub: 'ann', roles: ['viewer'], c0: '***' });
    expect(input.masked).toHaveLength(100);
    expect(input.erased).toEqual(['subject.assets', 'subject']);
  });
});

it('keeps texts apart that are too long for an index', () => {
  const [a, b] = ['a', 'b'].map((end) => indexedText('x'.repeat(5_000) + end));
  expect(a).not.toBe(b);
  expect(a?.length).toBeLessThan(300);
  expect(indexedText('acme')).toBe('acme');
  expect(indexedText('a\0')).not.toBe(indexedText('a\uFFFD'));
});
