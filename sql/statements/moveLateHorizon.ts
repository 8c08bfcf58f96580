import type { Client } from '../transaction.ts';

const MOVE_LATE_HORIZON = `
update tailrace.late_horizon
set late_before = greatest(late_before, timestamptz 'epoch' + $1::int8 * interval '1 microsecond')
returning date_part('epoch', late_before) as late_before_s`;

/** Readings before `lateBeforeUs` (µs since 1970) are late from now on. It never moves back; gives where it is. */
export async function moveLateHorizon(client: Client, lateBeforeUs: number): Promise<number> {
  const { rows } = await client.query<{ late_before_s: number }>(MOVE_LATE_HORIZON, [lateBeforeUs]);
  return Math.round((rows[0]?.late_before_s ?? Number.NaN) * 1e6);
}
