import type { Client } from '../transaction.ts';

const SELECT_MARK_GAP = `
select extract(epoch from mark_gap)::float8 as gap_s from tailrace.late_horizon`;

const MOVE_MARK_GAP = `
update tailrace.late_horizon set mark_gap = $1::int8 * interval '1 microsecond'`;

/** Over which gap writers join marks at least, in µs. */
export async function selectMarkGap(client: Client): Promise<number> {
  const { rows } = await client.query<{ gap_s: number }>(SELECT_MARK_GAP);
  return Math.round((rows[0]?.gap_s ?? Number.NaN) * 1e6);
}

export async function moveMarkGap(client: Client, gapUs: number): Promise<void> {
  await client.query(MOVE_MARK_GAP, [gapUs]);
}
