import type { Client } from '../transaction.ts';

const SELECT_DEAD_LETTER_ACCOUNT = `
select coalesce(sum(letters), 0)::float8 as letters, coalesce(sum(bytes), 0)::float8 as bytes,
  (select count(*)::float8 from tailrace.dead_letter
    where replay_requested_at is not null and replayed_at is null) as waiting
from tailrace.dead_letter_day`;

export interface DeadLetterAccount {
  readonly letters: number;
  /** Of what is kept: payloads, texts and what rows and indexes take, roughly. */
  readonly bytes: number;
  /** Whose replay was asked for. */
  readonly waiting: number;
}

/** How many letters there are. */
export async function selectDeadLetterAccount(client: Client): Promise<DeadLetterAccount> {
  const { rows } = await client.query<DeadLetterAccount>(SELECT_DEAD_LETTER_ACCOUNT);
  return rows[0] ?? { letters: 0, bytes: 0, waiting: 0 };
}
