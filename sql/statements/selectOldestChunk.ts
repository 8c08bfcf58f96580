import type { Client } from '../transaction.ts';

// The chunk's start and not min(time): the index leads with the series, so min(time) would read all of it.
const SELECT_OLDEST_CHUNK = `
select date_part('epoch', min(range_start)) as start_s
from timescaledb_information.chunks
where hypertable_schema = 'tailrace' and hypertable_name = 'reading'`;

/** A time, in µs since 1970, before which there is no reading; undefined where there is none at all. */
export async function selectOldestChunk(client: Client): Promise<number | undefined> {
  const { rows } = await client.query<{ start_s: number | null }>(SELECT_OLDEST_CHUNK);
  const startS = rows[0]?.start_s ?? null;
  return startS === null ? undefined : Math.round(startS * 1e6);
}
