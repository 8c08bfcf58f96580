import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Feed } from '../lib/feed/feed.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type Catalogue, openCatalogue, type WantedSeries } from './catalogue.ts';

const log = createLog('silent');
let opened: TestDatabase;

beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());

function wanted(channel: string, more: Partial<WantedSeries> = {}): WantedSeries {
  return {
    tenant: 'acme',
    asset: 'rig-1',
    channel,
    labels: {},
    kind: 'number',
    firstUs: 1_700_000_000_123_456,
    ...more,
  };
}

async function open(feed: Feed, seriesMax?: number): Promise<Catalogue> {
  return await openCatalogue({
    database: opened.database,
    feed,
    metrics: createMetrics(),
    log,
    ...(seriesMax === undefined ? {} : { seriesMax }),
  });
}

const newFeed = () => createRing({ recordsMax: 100, pointsMax: 1000 });

describe('the catalogue', () => {
  it('creates what is missing, once, and knows it then', async () => {
    const catalogue = await open(newFeed());
    expect(catalogue.find('acme', 'rig-1', 'once')).toBeUndefined();
    const labelled = wanted('once', { labels: { b: '2', a: '1' }, kind: 'state', unit: 'm' });
    const [plain, other, again] = await catalogue.ensure([
      wanted('once', { unit: 'bar' }),
      labelled,
      wanted('once', { kind: 'state' }),
    ]);
    expect(plain).toMatchObject({ channel: 'once', kind: 'number', unit: 'bar', index: 'time' });
    expect(again).toBe(plain);
    expect(other).toMatchObject({ kind: 'state', unit: 'm', labels: { a: '1', b: '2' } });
    expect(catalogue.find('acme', 'rig-1', 'once')).toBe(plain);
    expect(catalogue.findByIdentity({ ...labelled, labels: { a: '1', b: '2' } })).toBe(other);
    expect(catalogue.byId(plain?.id ?? -1)).toBe(plain);
    await catalogue.stop();

    const reopened = await open(newFeed());
    expect(reopened.find('acme', 'rig-1', 'once')).toEqual(plain);
    expect(await reopened.ensure([wanted('once', { kind: 'state' })])).toEqual([plain]);
    await reopened.stop();
  });

  it('keeps the oldest of the first times', async () => {
    const catalogue = await open(newFeed());
    const [series] = await catalogue.ensure([
      wanted('first', { firstUs: 1_600_000_000_000_007 }),
      wanted('first', { firstUs: 1_500_000_000_000_007 }),
      wanted('first', { firstUs: 1_700_000_000_000_000 }),
    ]);
    const { rows } = await opened.database.writer.query(
      'select first_time::text from tailrace.series where id = $1',
      [series?.id],
    );
    expect(rows).toEqual([{ first_time: '2017-07-14 02:40:00.000007+00' }]);
    await catalogue.stop();
  });

  it('agrees with another process that creates the same at the same moment, and hears of its series', async () => {
    const feed = newFeed();
    const [one, two] = [await open(feed), await open(feed)];
    const channels = Array.from({ length: 50 }, (_, i) => wanted(`shared/${i}`));
    const [ofOne, ofTwo] = await Promise.all([one.ensure(channels), two.ensure(channels)]);
    expect(ofOne).toEqual(ofTwo);
    expect(new Set(ofOne.map(({ id }) => id)).size).toBe(50);
    const [created] = await one.ensure([wanted('told')]);
    await expect.poll(() => two.find('acme', 'rig-1', 'told')).toEqual(created);
    await Promise.all([one.stop(), two.stop()]);
  });

  it('looks up what it was not told of', async () => {
    const [one, two] = [await open(newFeed()), await open(newFeed())];
    const [created] = await one.ensure([wanted('untold')]);
    expect(two.byId(created?.id ?? -1)).toBeUndefined();
    expect(await two.lookUp([created?.id ?? -1, 2_000_000_000])).toEqual([created]);
    expect(two.find('acme', 'rig-1', 'untold')).toEqual(created);
    await Promise.all([one.stop(), two.stop()]);
  });

  it('loads again after a gap in the feed', async () => {
    const feed = newFeed();
    const [one, two] = [await open(newFeed()), await open(feed)];
    await one.ensure([wanted('in the gap')]);
    await feed.append({ kind: 'gap' });
    await expect.poll(() => two.find('acme', 'rig-1', 'in the gap')).toBeDefined();
    await Promise.all([one.stop(), two.stop()]);
  });

  it('creates series although the feed fails, and tells of them with the next', async () => {
    const ring = newFeed();
    let fails = true;
    const told: number[] = [];
    const feed: Feed = {
      ...ring,
      append: async (body) => {
        if (fails) throw new Error('no feed');
        if (body.kind === 'series') told.push(...body.ids);
        return await ring.append(body);
      },
    };
    const catalogue = await open(feed);
    const [first] = await catalogue.ensure([wanted('unannounced')]);
    fails = false;
    const [second] = await catalogue.ensure([wanted('announced')]);
    expect(told).toEqual([first?.id, second?.id]);
    await catalogue.stop();
  });

  it('stops at its limit, after creating what there was room for', async () => {
    const before = await open(newFeed());
    const { size } = before;
    await before.stop();
    const catalogue = await open(newFeed(), size + 2);
    const many = ['a', 'b', 'c'].map((name) => wanted(`limit/${name}`));
    await expect(catalogue.ensure(many)).rejects.toMatchObject({ code: 'series_limit' });
    expect(many.map((series) => catalogue.findByIdentity(series) !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    expect(await catalogue.ensure(many.slice(0, 2))).toHaveLength(2);
    await catalogue.stop();
  });

  it.each([
    ['a name of many bytes', { channel: 'x'.repeat(3000) }],
    ['NUL', { channel: 'a\0b' }],
    ['half a surrogate pair', { labels: { a: '\ud800' } }],
  ])('refuses %s, and creates the others', async (name, more) => {
    const catalogue = await open(newFeed());
    const refused = { ...wanted('refused'), ...more };
    const fine = wanted(`beside ${name}`);
    await expect(catalogue.ensure([refused, fine])).rejects.toMatchObject({
      code: 'series_unstorable',
    });
    expect(catalogue.findByIdentity(refused)).toBeUndefined();
    expect(catalogue.findByIdentity(fine)).toBeDefined();
    await catalogue.stop();
  });

  it('gives the series of a tenant, of an asset and of a name, by id', async () => {
    const catalogue = await open(newFeed());
    const [a, site, plain, other] = await catalogue.ensure([
      wanted('select/a'),
      wanted('select/b', { labels: { site: 'x' } }),
      wanted('select/b'),
      wanted('select/c', { asset: 'rig-other' }),
    ]);
    const [foreign] = await catalogue.ensure([wanted('select/a', { tenant: 'other' })]);
    const { tenant, asset } = plain!;
    expect(catalogue.ofTenant('other')).toEqual([foreign]);
    expect(catalogue.ofTenant('nobody')).toEqual([]);
    const ofAsset = catalogue.ofAsset(tenant, asset);
    expect(ofAsset).toEqual(expect.arrayContaining([a, site, plain]));
    expect(ofAsset).not.toContain(other);
    expect(ofAsset.map(({ id }) => id)).toEqual(ofAsset.map(({ id }) => id).sort((x, y) => x - y));
    expect(catalogue.ofAsset(tenant, 'nothing')).toEqual([]);
    expect(catalogue.named(tenant, asset, 'select/b')).toEqual([plain, site]);
    expect(catalogue.named('other', asset, 'select/b')).toEqual([]);
    await catalogue.stop();
  });
});
