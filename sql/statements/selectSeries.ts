import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const SELECT_SERIES = `
select id, tenant, asset, channel, labels, unit, value_kind, index_kind from tailrace.series`;

const SELECT_ALL_SERIES = `${SELECT_SERIES} order by id`;
const SELECT_SERIES_BY_IDS = `${SELECT_SERIES} where id = any ($1::int4[]) order by id`;

export interface SeriesRow {
  readonly id: number;
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string | null;
  readonly value_kind: 'number' | 'state';
  readonly index_kind: 'time' | 'depth';
}

/** Every series there is, by id. */
export async function selectAllSeries(client: Client): Promise<SeriesRow[]> {
  return (await client.query<SeriesRow>(SELECT_ALL_SERIES)).rows;
}

/** Those of `ids` that exist, by id. */
export async function selectSeriesByIds(
  client: Client,
  ids: readonly number[],
): Promise<SeriesRow[]> {
  return (await client.query<SeriesRow>(SELECT_SERIES_BY_IDS, [numberArray(ids)])).rows;
}
