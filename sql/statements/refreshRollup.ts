import type { Client } from '../transaction.ts';

const timestamp = (timeUs: number) =>
  `timestamptz 'epoch' + int8 '${timeUs}' * interval '1 microsecond'`;

// One batch a call: it is the caller that slices, and by default a month took 2.8 s that takes 0.17 s in one batch. By
// force: readings are written without TimescaleDB's own account of what is stale (see beginWriting), by which it would
// find nothing to do.
const refresh = (name: string, startUs: number, endUs: number) => `
call refresh_continuous_aggregate('tailrace.${name}', ${timestamp(startUs)}, ${timestamp(endUs)},
  force => true, options => '{"buckets_per_batch": 0}')`;

/**
 * Materialises one rollup in [startUs, endUs), whole buckets, µs since 1970. It commits by itself and
 * cannot run in a transaction; `name` is one of table tailrace.rollup.
 */
export async function refreshRollup(
  client: Client,
  name: string,
  startUs: number,
  endUs: number,
): Promise<void> {
  if (!/^[a-z0-9_]+$/.test(name)) throw new RangeError(`not a rollup's name: ${name}`);
  await client.query(refresh(name, startUs, endUs));
}
