import type { Client } from '../transaction.ts';

// Asked after the horizon was moved: whoever has readings below it had committed its series before.
const SELECT_ROLLED_UP_SERIES = `
select string_agg(id::text, ',' order by id) as ids
from tailrace.series where value_kind = 'number' and index_kind = 'time'`;

/** Ids of all series that rollups are made of, in order. */
export async function selectRolledUpSeries(client: Client): Promise<number[]> {
  const { rows } = await client.query<{ ids: string | null }>(SELECT_ROLLED_UP_SERIES);
  const ids = rows[0]?.ids ?? null;
  return ids === null ? [] : ids.split(',').map(Number);
}
