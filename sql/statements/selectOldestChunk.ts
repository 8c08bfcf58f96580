import type { Client } from '../transaction.ts';

// The chunk's start and not min(time): the index leads with the series, so min(time) would read all of it. Where readings
// were dropped, levels that came with a later release are made from the minutes that were kept.
const SELECT_OLDEST_CHUNK = `
select date_part('epoch', min(range_start)) as start_s
from timescaledb_information.chunks c
left join timescaledb_information.continuous_aggregates a
  on a.materialization_hypertable_schema = c.hypertable_schema and a.materialization_hypertable_name = c.hypertable_name
where c.hypertable_schema = 'tailrace' and c.hypertable_name = 'reading'
  or a.view_schema = 'tailrace' and a.view_name = 'rollup_1m'`;

/** A time, in µs since 1970, before which there is no reading and no minute of a rollup; undefined where there is none. */
export async function selectOldestChunk(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ start_s: number | null }>(SELECT_OLDEST_CHUNK);
  const startS = rows[0]?.start_s ?? null;
  return startS === null ? undefined : Math.round(startS * 1e6);
}
