import type { Client } from '../transaction.ts';
import type { SeriesRow } from './selectSeries.ts';

// A series that another process creates at the same moment is in neither half: its row was not there when this
// statement began. The caller asks again.
const INSERT_SERIES = `
with wanted as (
  select tenant, asset, channel, labels, unit, kind, timestamptz 'epoch' + first_us * interval '1 microsecond' as first_time
  from jsonb_to_recordset($1::jsonb)
    as w (tenant text, asset text, channel text, labels jsonb, unit text, kind text, first_us int8)
), existing as (
  select s.* from tailrace.series s join wanted w using (tenant, asset, channel, labels)
  where s.index_kind = 'time'
), created as (
  insert into tailrace.series (tenant, asset, channel, labels, unit, value_kind, first_time)
  select tenant, asset, channel, labels, unit, kind, first_time from wanted
  where not exists (select from existing e where (e.tenant, e.asset, e.channel, e.labels)
    = (wanted.tenant, wanted.asset, wanted.channel, wanted.labels))
  on conflict do nothing
  returning *
)
select id, tenant, asset, channel, labels, unit, value_kind, index_kind, true as created from created
union all
select id, tenant, asset, channel, labels, unit, value_kind, index_kind, false from existing`;

export interface SeriesToInsert {
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string | null;
  readonly kind: 'number' | 'state';
  /** µs since 1970 UTC. */
  readonly first_us: number;
}

/** Creates the series that are missing, none of which may stand in `wanted` twice; gives them and the others. */
export async function insertSeries(
  client: Client,
  wanted: readonly SeriesToInsert[],
): Promise<(SeriesRow & { readonly created: boolean })[]> {
  const { rows } = await client.query<SeriesRow & { created: boolean }>(INSERT_SERIES, [
    JSON.stringify(wanted),
  ]);
  return rows;
}
