// Which series a request names: what is hidden counts for nothing, and no selector holds the loop for long.
import { describe, expect, it } from 'vitest';
import { parseSelector, type Selector } from '../lib/selector.ts';
import type { Grant, Obligations } from '../policies/grant.ts';
import type { Catalogue } from '../store/catalogue.ts';
import type { Series } from '../store/series.ts';
import { createSeriesIndex } from '../store/series-index.ts';
import { chooseBy, resolveChoice, selectCreated, selectVisible, shownByIds } from './choice.ts';

type Names = Pick<Catalogue, 'byId' | 'named' | 'ofAsset' | 'ofTenant'>;

/** A catalogue of these series; nothing else of it is used. */
function catalogueOf(series: readonly Series[]): Catalogue {
  const index = createSeriesIndex();
  for (const one of series) index.add(one);
  const names: Names = index;
  return names as Catalogue;
}

function seriesOf(id: number, name: string, labels: Readonly<Record<string, string>> = {}): Series {
  const [asset = '', ...channel] = name.split('/');
  const more = { tenant: 'acme', unit: null, kind: 'number', index: 'time' } as const;
  return { id, asset, channel: channel.join('/'), labels, ...more };
}

function grantOf(selectors: readonly Selector[], obligations: Obligations = {}): Grant {
  const told = {
    allow: true,
    reason: '',
    action: 'range',
    decisionId: 'd',
    revision: '1',
  } as const;
  return { ...told, tenant: 'acme', selectors, obligations };
}

const PLAIN = seriesOf(1, 'rig/spp');
const BACKUP = seriesOf(3, 'rig/spp', { sensor: 'backup' });
const SPARE = seriesOf(2, 'rig/spp', { sensor: 'spare' });
const OTHER = seriesOf(4, 'other/spp', { crew: 'a' });
const FOREIGN = { ...seriesOf(5, 'rig/spp'), tenant: 'zephyr' };
const catalogue = catalogueOf([PLAIN, SPARE, BACKUP, OTHER, FOREIGN]);

describe('a name', () => {
  const labelled = parseSelector('{sensor!=""}');
  const ids = (name: string, grant: Grant) => {
    const { series, unknown } = resolveChoice(chooseBy([name], undefined), grant, catalogue);
    return [...series.map(({ id }) => id), ...unknown];
  };

  it.each([
    ['rig/spp', [1]],
    ['2', [2]],
    ['5', ['5']],
    ['4', [4]],
    ['rig/nothing', ['rig/nothing']],
    ['rig', ['rig']],
  ])('%s stands for %j', (name, expected) => {
    expect(ids(name, grantOf([[]]))).toEqual(expected);
  });

  it('means what it would if the hidden series were not there', () => {
    expect(ids('rig/spp', grantOf([labelled]))).toEqual([2, 3]);
    expect(ids('1', grantOf([labelled]))).toEqual(['1']);
  });

  it('is none where assets or channels are redacted', () => {
    expect(ids('rig/spp', grantOf([[]], { redact: ['channel'] }))).toEqual(['rig/spp']);
    expect(ids('/spp', grantOf([[]], { redact: ['asset'] }))).toEqual(['/spp']);
  });
});

describe('a selector', () => {
  const grant = grantOf([[]], { redact: ['crew'] });
  const ids = (match: string, more = {}) =>
    selectVisible(parseSelector(match), grant, catalogue, more).map(({ id }) => id);

  it.each([
    ['{}', [1, 2, 3, 4]],
    ['{asset="rig"}', [1, 2, 3]],
    ['{asset="rig",asset="other"}', []],
    ['{crew="a"}', []],
    ['{crew=""}', [1, 2, 3, 4]],
    ['{sensor=~"s.*|b.*"}', [2, 3]],
  ])('%s finds %j', (match, expected) => {
    expect(ids(match)).toEqual(expected);
  });

  it('goes on after an id, and stops when it has enough', () => {
    expect(ids('{}', { afterId: 1, max: 2 })).toEqual([2, 3]);
    expect(ids('{asset="rig"}', { afterId: 2 })).toEqual([3]);
  });

  it('shows what it finds without redacted labels, new series too', () => {
    const shown = { ...OTHER, labels: {} };
    expect(selectVisible(parseSelector('{asset="other"}'), grant, catalogue)).toEqual([shown]);
    expect(selectCreated([], grant, [OTHER, FOREIGN])).toEqual([shown]);
    expect(selectCreated(parseSelector('{crew="a"}'), grant, [OTHER])).toEqual([]);
    expect(shownByIds([4, 5, 6], grant, catalogue)).toEqual([shown]);
  });

  it('that takes too long is refused before it holds the loop for long', () => {
    // Channels of 190 letters in no order, against an expression that has to keep count: some 6 ms each.
    let seed = 1;
    const letter = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return 'abcdefghij'[seed % 10] ?? '';
    };
    const many = Array.from({ length: 2_000 }, (_, id) =>
      seriesOf(id + 1, `rig-${id % 50}/${Array.from({ length: 190 }, letter).join('')}`),
    );
    const costly: Selector = [{ label: 'channel', op: '=~', value: '.*[a-c].{900}' }];
    const sinceMs = performance.now();
    expect(() => selectVisible(costly, grantOf([[]]), catalogueOf(many))).toThrow(
      expect.objectContaining({ code: 'too_costly', details: { parameter: 'match' } }),
    );
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
  });
});
