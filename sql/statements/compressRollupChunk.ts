import type { Client } from '../transaction.ts';

// TimescaleDB has a policy for it only where it refreshes, too. The sizes of tables are asked of few: those that are old.
// Its view of hypertables leaves out those of continuous aggregates.
const SELECT_CHUNK = `
select format('%I.%I', c.chunk_schema, c.chunk_name) as chunk
from tailrace.rollup r
left join timescaledb_information.continuous_aggregates a on a.view_schema = 'tailrace' and a.view_name = r.name
left join timescaledb_information.hypertables h on h.hypertable_schema = 'tailrace' and h.hypertable_name = r.name
join timescaledb_information.chunks c
  on c.hypertable_schema = coalesce(a.materialization_hypertable_schema, h.hypertable_schema)
  and c.hypertable_name = coalesce(a.materialization_hypertable_name, h.hypertable_name)
where r.maintained and coalesce(a.compression_enabled, h.compression_enabled) and not c.is_compressed
  and c.range_end <= r.materialised_before - $1::int8 * interval '1 millisecond'
  and ($2::int8 is null or pg_table_size(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) <= $2::int8)
order by c.range_end limit 1`;

const COMPRESS = 'select compress_chunk($1::regclass)';

/**
 * Compresses one chunk of a rollup that ended `ageMs` before what is materialised of it, and is no larger than `bytesMax`
 * (null: however large). Says whether there was one.
 */
export async function compressRollupChunk(
  client: Client,
  ageMs: number,
  bytesMax: number | null,
): Promise<boolean> {
  const { rows } = await client.query<{ chunk: string }>(SELECT_CHUNK, [ageMs, bytesMax]);
  const chunk = rows[0]?.chunk;
  if (chunk === undefined) return false;
  await client.query(COMPRESS, [chunk]);
  return true;
}
