// Series in memory, found by what messages say of them. The hot path is three map look-ups and builds no strings.
import type { Series, SeriesIdentity } from './series.ts';

export interface SeriesIndex {
  /** The one without labels. */
  find(tenant: string, asset: string, channel: string): Series | undefined;
  findByIdentity(identity: SeriesIdentity): Series | undefined;
  byId(id: number): Series | undefined;
  /** All of one asset and channel, which differ in their labels: the one without first, the others by id. */
  named(tenant: string, asset: string, channel: string): readonly Series[];
  /** Of one asset, by id. */
  ofAsset(tenant: string, asset: string): readonly Series[];
  /** Of one tenant, by id. */
  ofTenant(tenant: string): readonly Series[];
  /** How many a tenant has. */
  countOf(tenant: string): number;
  all(): Iterable<Series>;
  /** Takes a series; one that is known already (by id) is left as it is. Gives whether it was new. */
  add(series: Series): boolean;
  readonly size: number;
}

interface Channel {
  plain: Series | undefined;
  /** By the text of the labels. */
  readonly labelled: Map<string, Series>;
}

interface Tenant {
  readonly assets: Map<string, Map<string, Channel>>;
  readonly series: Series[];
  sorted: boolean;
}

export function createSeriesIndex(): SeriesIndex {
  const tenants = new Map<string, Tenant>();
  const byId = new Map<number, Series>();

  function channelOf(tenant: string, asset: string, channel: string): Channel | undefined {
    return tenants.get(tenant)?.assets.get(asset)?.get(channel);
  }

  function add(series: Series): boolean {
    if (byId.has(series.id)) return false;
    byId.set(series.id, series);
    const tenant = upsert(tenants, series.tenant, newTenant);
    tenant.sorted &&= (tenant.series.at(-1)?.id ?? 0) < series.id;
    tenant.series.push(series);
    const channels = upsert(tenant.assets, series.asset, () => new Map<string, Channel>());
    const channel = upsert(channels, series.channel, newChannel);
    const key = labelsKey(series.labels);
    if (key === '') channel.plain = series;
    else channel.labelled.set(key, series);
    return true;
  }

  return {
    find: (tenant, asset, channel) => channelOf(tenant, asset, channel)?.plain,
    findByIdentity({ tenant, asset, channel, labels }) {
      const found = channelOf(tenant, asset, channel);
      const key = labelsKey(labels);
      return key === '' ? found?.plain : found?.labelled.get(key);
    },
    byId: (id) => byId.get(id),
    named(tenant, asset, channel) {
      const found = channelOf(tenant, asset, channel);
      return found === undefined ? [] : seriesOf(found);
    },
    ofAsset(tenant, asset) {
      const channels = tenants.get(tenant)?.assets.get(asset)?.values() ?? [];
      return [...channels].flatMap(seriesOf).sort((a, b) => a.id - b.id);
    },
    ofTenant(name) {
      const tenant = tenants.get(name);
      if (tenant === undefined) return [];
      if (!tenant.sorted) {
        // Another process's series can become known out of order.
        tenant.series.sort((a, b) => a.id - b.id);
        tenant.sorted = true;
      }
      return tenant.series;
    },
    countOf: (tenant) => tenants.get(tenant)?.series.length ?? 0,
    all: () => byId.values(),
    add,
    get size() {
      return byId.size;
    },
  };
}

/** The labels in one order, as text; empty for none. */
export function labelsKey(labels: Readonly<Record<string, string>>): string {
  const names = Object.keys(labels);
  if (names.length === 0) return '';
  return JSON.stringify(names.sort().map((name) => [name, labels[name]]));
}

/** The one without labels first, the others by id. */
function seriesOf({ plain, labelled }: Channel): Series[] {
  const others = [...labelled.values()].sort((a, b) => a.id - b.id);
  return plain === undefined ? others : [plain, ...others];
}

function newTenant(): Tenant {
  return { assets: new Map(), series: [], sorted: true };
}

function newChannel(): Channel {
  return { plain: undefined, labelled: new Map() };
}

function upsert<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
