import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const SELECT_FIRST_TIMES = `
select id, coalesce(date_part('epoch', first_time), 'infinity') as first_s
from tailrace.series where id = any ($1::int4[])`;

/** When the first reading of each series was taken: µs since 1970 by id, Infinity where there is none. */
export async function selectFirstTimes(
  client: Client,
  seriesIds: readonly number[],
): Promise<Map<number, number>> {
  const { rows } = await client.query<{ id: number; first_s: number }>(SELECT_FIRST_TIMES, [
    numberArray(seriesIds),
  ]);
  return new Map(rows.map((row) => [row.id, Math.round(row.first_s * 1e6)]));
}
