import type { Client } from '../transaction.ts';

// What is there already was written by a batch whose COMMIT nobody heard of.
const INSERT_DECISIONS = `
insert into tailrace.decision
  (id, time, tenant, subject, action, allowed, revision, input, result, duration_us)
select id, timestamptz 'epoch' + time_us * interval '1 microsecond', tenant, subject, action, allowed, revision,
  input, result, duration_us
from json_to_recordset($1::json)
  as w (id text, time_us int8, tenant text, subject text, action text, allowed boolean, revision text, input jsonb,
    result jsonb, duration_us float8)
on conflict (id, time) do nothing`;

/** One row of the log. No text in it may hold NUL or half a surrogate pair, which jsonb refuses. */
export interface DecisionRow {
  readonly id: string;
  /** µs since 1970 UTC. */
  readonly time_us: number;
  readonly tenant: string | null;
  readonly subject: string | null;
  readonly action: string;
  readonly allowed: boolean;
  readonly revision: string;
  readonly input: object;
  readonly result: object;
  readonly duration_us: number;
}

/** Writes rows, all or none; each is the JSON text of a `DecisionRow`, so that whoever gathers them knows their size. */
export async function insertDecisions(client: Client, rows: readonly string[]): Promise<void> {
  await client.query(INSERT_DECISIONS, [`[${rows.join(',')}]`]);
}
