// Grants as predicates, against the plainest way to say the same.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileSelector, type Selector } from '../lib/selector.ts';
import {
  allows,
  type Grant,
  mayName,
  type OwnedSeries,
  redactSelector,
  redactSeries,
  seriesFilter,
  visibleSeries,
} from './grant.ts';

function grantOf(selectors: readonly Selector[], more: Partial<Grant> = {}): Grant {
  return {
    allow: true,
    reason: '',
    action: 'range',
    decisionId: 'd-1',
    revision: '1',
    tenant: 'acme',
    selectors,
    obligations: {},
    ...more,
  };
}

function seriesOf(asset: string, more: Partial<OwnedSeries> = {}): OwnedSeries {
  return { tenant: 'acme', asset, channel: 'mud/flow', labels: {}, ...more };
}

const name = fc.constantFrom('a', 'b', 'c');
const anySeries = fc.record({
  tenant: fc.constantFrom('acme', 'other'),
  asset: name,
  channel: name,
  labels: fc.dictionary(fc.constantFrom('site', 'crew'), name),
});
const anyMatcher = fc.record({
  label: fc.constantFrom('asset', 'channel', 'site', 'crew'),
  op: fc.constantFrom('=' as const, '!=' as const, '=~' as const, '!~' as const),
  value: fc.constantFrom('a', 'b', '', 'a|b', '.+'),
});
const anySelectors = fc.array(fc.array(anyMatcher, { maxLength: 3 }), { maxLength: 4 });

describe('the series of a grant', () => {
  it('are the own tenant’s that any selector matches', () => {
    fc.assert(
      fc.property(anySelectors, fc.array(anySeries, { maxLength: 20 }), (selectors, series) => {
        const expected = series.filter(
          (one) =>
            one.tenant === 'acme' &&
            selectors.some((selector) =>
              selector.every((matcher) => compileSelector([matcher])(one)),
            ),
        );
        const grant = grantOf(selectors);
        expect(visibleSeries(grant, series)).toEqual(expected);
        expect(series.filter((one) => allows(grant, one))).toEqual(expected);
      }),
    );
  });

  it('are none without a selector, all of the tenant with an empty one', () => {
    expect(allows(grantOf([]), seriesOf('a'))).toBe(false);
    expect(allows(grantOf([[]]), seriesOf('a'))).toBe(true);
    expect(allows(grantOf([[]]), seriesOf('a', { tenant: 'other' }))).toBe(false);
  });

  it('are none where the grant does not allow, whatever else it says', () => {
    expect(allows(grantOf([[]], { allow: false }), seriesOf('a'))).toBe(false);
  });

  it('are found at once in a list of thousands of assets', () => {
    const assets = Array.from({ length: 10_000 }, (_, n) => `rig-${n}`);
    const filter = seriesFilter(
      grantOf(assets.map((value) => [{ label: 'asset', op: '=', value }])),
    );
    const startMs = performance.now();
    for (let n = 0; n < 100_000; n += 1) filter(seriesOf(`rig-${n}`));
    // 10,000 comparisons a series would take seconds.
    expect(performance.now() - startMs).toBeLessThan(1000);
    expect(filter(seriesOf('rig-9999'))).toBe(true);
    expect(filter(seriesOf('rig-10000'))).toBe(false);
  });
});

describe('redaction', () => {
  function redacting(...redact: string[]): Grant {
    return grantOf([[]], { obligations: { redact } });
  }
  const series = { ...seriesOf('a', { labels: { crew: 'x', site: 'y' } }), unit: 'bar', id: 7 };

  it('takes the labels away and leaves the others', () => {
    expect(redactSeries(redacting('crew'), series)).toEqual({ ...series, labels: { site: 'y' } });
    expect(redactSeries(redacting(), series)).toBe(series);
  });

  it('empties asset, channel and unit, which are labels too, and no name can be said then', () => {
    const shown = redactSeries(redacting('asset', 'channel', 'unit'), series);
    expect(shown).toEqual({ ...series, asset: '', channel: '', unit: null });
    expect(
      redacting('asset', 'channel').obligations.redact?.map((one) => mayName(redacting(one))),
    ).toEqual([false, false]);
    expect(mayName(redacting('unit', 'crew'))).toBe(true);
  });

  it('finds by selector exactly what would be found if the labels were absent', () => {
    const selector = fc.array(anyMatcher, { maxLength: 3 });
    const redact = fc.subarray(['asset', 'channel', 'unit', 'site', 'crew']);
    fc.assert(
      fc.property(selector, anySeries, redact, (asked, hidden, labels) => {
        const grant = redacting(...labels);
        const shown = redactSeries(grant, { ...hidden, unit: null });
        const applied = redactSelector(grant, asked);
        const found = applied !== undefined && compileSelector(applied)(hidden);
        expect(found).toBe(compileSelector(asked)(shown));
      }),
    );
  });
});
