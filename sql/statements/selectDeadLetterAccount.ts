import type { Client } from '../transaction.ts';

const SELECT_DEAD_LETTER_ACCOUNT = `
select coalesce(sum(letters), 0)::float8 as letters, coalesce(sum(bytes), 0)::float8 as bytes
from tailrace.dead_letter_day`;

export interface DeadLetterAccount {
  readonly letters: number;
  /** Of what is kept: payloads, texts and what rows and indexes take, roughly. */
  readonly bytes: number;
}

/** How many letters there are; no letter is looked at for it. */
export async function selectDeadLetterAccount(client: Client): Promise<DeadLetterAccount> {
  const { rows } = await client.query<DeadLetterAccount>(SELECT_DEAD_LETTER_ACCOUNT);
  return rows[0] ?? { letters: 0, bytes: 0 };
}
