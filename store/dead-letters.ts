// Messages that could not be stored, kept with their bytes so that they can be looked at and replayed.
import {
  type DeadLetterRow,
  insertDeadLetters as insert,
} from '../sql/statements/insertDeadLetters.ts';
import { type Writable, withClient } from '../sql/transaction.ts';

/** A message that could not be stored, and why. `readings` says how many readings it stands for. */
export type DeadLetter = DeadLetterRow;

/** One statement takes about so many bytes of payload; a message may be as large as the broker lets through. */
const STATEMENT_BYTES_MAX = 8 * 1024 * 1024;

/**
 * Keeps dead letters; resolves once they are committed. May have kept the first of them where it rejects: a letter
 * kept twice is better than one lost.
 */
export async function insertDeadLetters(
  database: Writable,
  letters: readonly DeadLetter[],
): Promise<void> {
  await withClient(database, async (client) => {
    for (const group of groupByBytes(letters.map(storable))) await insert(client, group);
  });
}

/** Text columns have no NUL; the payload keeps every byte. */
function storable(letter: DeadLetter): DeadLetter {
  const clean = (text: string) => text.replaceAll('\0', '\uFFFD');
  return {
    ...letter,
    tenant: letter.tenant === null ? null : clean(letter.tenant),
    topic: clean(letter.topic),
    contentType: letter.contentType === undefined ? undefined : clean(letter.contentType),
    reason: clean(letter.reason),
  };
}

function groupByBytes(letters: readonly DeadLetter[]): DeadLetter[][] {
  const groups: DeadLetter[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const letter of letters) {
    if (bytes + letter.payload.length > STATEMENT_BYTES_MAX) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(letter);
    bytes += letter.payload.length;
  }
  return groups;
}
