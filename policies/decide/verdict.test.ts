// What a policy may answer, and that everything else is not understood.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { readVerdict, SELECTORS_MAX } from './verdict.ts';

const GOOD = {
  allow: true,
  reason: 'because',
  series: [[{ label: 'asset', op: '=', value: 'rig-7' }], []],
  obligations: {
    finest_step_ms: 60_000,
    lookback_ms: 0,
    delay_ms: 1.5,
    max_points: 10,
    max_series: 1,
    max_rate_hz: 0.5,
    redact: ['site'],
  },
};

const NOT_UNDERSTOOD: readonly (readonly [what: string, resultSet: unknown, words: RegExp])[] = [
  ['undefined', [], /undefined/],
  ['two results', [{ result: GOOD }, { result: GOOD }], /undefined/],
  ['no result set', undefined, /undefined/],
  ['a bare true', [{ result: true }], /no object/],
  ['a list', [{ result: [GOOD] }], /no object/],
  ['a decision of null', [{ result: null }], /no object/],
  ['no allow', [{ result: { ...GOOD, allow: undefined } }], /allow/],
  ['allow as text', [{ result: { ...GOOD, allow: 'true' } }], /allow/],
  ['allow as a number', [{ result: { ...GOOD, allow: 1 } }], /allow/],
  ['no reason', [{ result: { ...GOOD, reason: undefined } }], /reason/],
  ['an unknown member', [{ result: { ...GOOD, audit: true } }], /unknown member audit/],
  ['no series', [{ result: { ...GOOD, series: undefined } }], /series/],
  ['series as an object', [{ result: { ...GOOD, series: {} } }], /series/],
  ['a selector that is no list', [{ result: { ...GOOD, series: [{}] } }], /selector/],
  ['an unknown operator', withMatcher({ label: 'a', op: '==', value: 'b' }), /selector/],
  ['a matcher without a value', withMatcher({ label: 'a', op: '=' }), /selector/],
  ['a value that is a number', withMatcher({ label: 'a', op: '=', value: 7 }), /selector/],
  ['a matcher with more', withMatcher({ label: 'a', op: '=', value: 'b', not: 1 }), /selector/],
  ['a bad regular expression', withMatcher({ label: 'a', op: '=~', value: '(' }), /RE2/],
  [
    'too many selectors',
    [{ result: { ...GOOD, series: Array(SELECTORS_MAX + 1).fill([]) } }],
    /more/,
  ],
  ['no obligations', [{ result: { ...GOOD, obligations: undefined } }], /obligations/],
  ['an unknown obligation', withObligations({ watermark: true }), /watermark is unknown/],
  ['an obligation of Object', withObligations({ constructor: 1 }), /constructor is unknown/],
  ['a step of 0', withObligations({ finest_step_ms: 0 }), /finest_step_ms/],
  ['a step that is text', withObligations({ finest_step_ms: '1m' }), /finest_step_ms/],
  ['a look-back below 0', withObligations({ lookback_ms: -1 }), /lookback_ms/],
  ['a rate of 0', withObligations({ max_rate_hz: 0 }), /max_rate_hz/],
  ['half a point', withObligations({ max_points: 0.5 }), /max_points/],
  ['redaction of a number', withObligations({ redact: [7] }), /redact/],
];

function withMatcher(matcher: object) {
  return [{ result: { ...GOOD, series: [[matcher]] } }];
}

function withObligations(obligations: object) {
  return [{ result: { ...GOOD, obligations } }];
}

describe('readVerdict', () => {
  it('understands a decision with everything in it', () => {
    expect(readVerdict([{ result: GOOD }])).toEqual({
      understood: true,
      allow: true,
      reason: 'because',
      selectors: GOOD.series,
      obligations: GOOD.obligations,
    });
  });

  it('takes nothing but the reason from a denial', () => {
    expect(readVerdict([{ result: { ...GOOD, allow: false } }])).toEqual({
      understood: true,
      allow: false,
      reason: 'because',
      selectors: [],
      obligations: {},
    });
  });

  test.each(NOT_UNDERSTOOD)('does not understand %s', (_what, resultSet, words) => {
    const verdict = readVerdict(resultSet);
    expect(verdict).toMatchObject({ understood: false, fault: expect.stringMatching(words) });
  });

  it('never allows what it was not told to, and never throws', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (result, member) => {
        expect(readVerdict([{ result }]).understood).toBe(false);
        const changed = readVerdict([{ result: { ...GOOD, allow: member } }]);
        expect(changed.understood).toBe(typeof member === 'boolean');
      }),
    );
  });
});
