import { numberArray } from '../arrays.ts';
import type { Client } from '../transaction.ts';

const LOWER_FIRST_TIMES = `
update tailrace.series s
set first_time = timestamptz 'epoch' + w.first_us * interval '1 microsecond'
from unnest($1::int4[], $2::int8[]) as w (id, first_us)
where s.id = w.id
  and (s.first_time is null or s.first_time > timestamptz 'epoch' + w.first_us * interval '1 microsecond')`;

/** Says that each series has a reading as early as that, in µs since 1970. */
export async function lowerFirstTimes(
  client: Client,
  seriesIds: readonly number[],
  firstUs: readonly number[],
): Promise<void> {
  await client.query(LOWER_FIRST_TIMES, [numberArray(seriesIds), numberArray(firstUs)]);
}
