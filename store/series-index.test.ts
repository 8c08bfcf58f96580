import { expect, it } from 'vitest';
import type { Series } from './series.ts';
import { createSeriesIndex, labelsKey } from './series-index.ts';

function series(id: number, more: Partial<Series> = {}): Series {
  return {
    id,
    tenant: 'acme',
    asset: 'rig-1',
    channel: 'mud/flow',
    labels: {},
    unit: null,
    kind: 'number',
    index: 'time',
    ...more,
  };
}

it('finds a series by what a message says of it', () => {
  const index = createSeriesIndex();
  const plain = series(1);
  const labelled = series(2, { labels: { site: 'a', unit: 'b' } });
  expect(index.add(plain)).toBe(true);
  expect(index.add(labelled)).toBe(true);
  expect(index.add(series(1, { asset: 'other' }))).toBe(false);
  expect(index.find('acme', 'rig-1', 'mud/flow')).toBe(plain);
  expect(index.find('other', 'rig-1', 'mud/flow')).toBeUndefined();
  expect(index.findByIdentity(plain)).toBe(plain);
  expect(index.findByIdentity({ ...labelled, labels: { unit: 'b', site: 'a' } })).toBe(labelled);
  expect(index.findByIdentity({ ...labelled, labels: { site: 'a' } })).toBeUndefined();
  expect(index.byId(2)).toBe(labelled);
  expect(index.size).toBe(2);
});

it('does not find a labelled series without its labels', () => {
  const index = createSeriesIndex();
  index.add(series(1, { labels: { site: 'a' } }));
  expect(index.find('acme', 'rig-1', 'mud/flow')).toBeUndefined();
});

it("gives a tenant's series by id, in whatever order they became known", () => {
  const index = createSeriesIndex();
  for (const id of [5, 2, 9, 3]) index.add(series(id, { channel: `c${id}` }));
  index.add(series(4, { tenant: 'other' }));
  expect(index.ofTenant('acme').map(({ id }) => id)).toEqual([2, 3, 5, 9]);
  index.add(series(1, { channel: 'c1' }));
  expect(index.ofTenant('acme').map(({ id }) => id)).toEqual([1, 2, 3, 5, 9]);
  expect(index.ofTenant('nobody')).toEqual([]);
});

it('keeps labels with unusual names apart', () => {
  expect(labelsKey({})).toBe('');
  expect(labelsKey({ 'a","b': 'c' })).not.toBe(labelsKey({ a: 'b', c: '' }));
  expect(labelsKey({ b: '1', a: '2' })).toBe(labelsKey({ a: '2', b: '1' }));
});
