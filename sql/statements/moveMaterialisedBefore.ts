import type { Client } from '../transaction.ts';

const MOVE_MATERIALISED_BEFORE = `
update tailrace.rollup set materialised_before = timestamptz 'epoch' + $2::int8 * interval '1 microsecond'
where ordinal = $1`;

/** Says that a rollup is materialised before `timeUs`, µs since 1970. */
export async function moveMaterialisedBefore(
  client: Client,
  ordinal: number,
  timeUs: number,
): Promise<void> {
  await client.query(MOVE_MATERIALISED_BEFORE, [ordinal, timeUs]);
}
