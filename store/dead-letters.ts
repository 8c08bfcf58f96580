// Messages that could not be stored, kept with their bytes so that they can be looked at and replayed.
import { messageOf } from '../lib/errors.ts';
import {
  type DeadLetterRow,
  insertDeadLetters as insert,
} from '../sql/statements/insertDeadLetters.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import { classifyFailure, codeOf } from './write-failure.ts';

/** A message that could not be stored, and why. `readings` says how many readings it stands for. */
export type DeadLetter = DeadLetterRow;

/** One statement takes about so many bytes of payload; a message may be as large as the broker lets through. */
const STATEMENT_BYTES_MAX = 8 * 1024 * 1024;
const STATEMENT_LETTERS_MAX = 5_000;
/** As long as a token's tenant can be. A longer one is nobody's, and would not fit an index. */
const TENANT_BYTES_MAX = 1_024;

/**
 * Keeps dead letters; resolves once they are committed. May have kept the first of them where it rejects: a letter
 * kept twice is better than one lost. A letter that the database refuses is kept without what it is refused for: its
 * payload is what cannot be had again. Where even that is refused, `onLost` is told, so that it holds up nobody.
 */
export async function insertDeadLetters(
  database: Writable,
  letters: readonly DeadLetter[],
  onLost: (letter: DeadLetter, reason: string) => void = () => {},
): Promise<void> {
  for (const group of groupBySize(letters.map(storable))) {
    await insertGroup(database, group, onLost);
  }
}

async function insertGroup(
  database: Writable,
  letters: readonly DeadLetter[],
  onLost: (letter: DeadLetter, reason: string) => void,
): Promise<void> {
  try {
    await withClient(database, (client) => insert(client, letters));
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    const [letter] = letters;
    if (letters.length > 1) {
      const half = letters.length >> 1;
      await insertGroup(database, letters.slice(0, half), onLost);
      await insertGroup(database, letters.slice(half), onLost);
    } else if (letter !== undefined && letter.topic !== BARE_TOPIC) {
      await insertGroup(database, [bare(letter, messageOf(cause))], onLost);
    } else if (letter !== undefined) {
      onLost(letter, messageOf(cause));
    }
  }
}

/** Whether it is the letter that is at fault: a value that a column, an index or a program limit does not take. */
export function isRefusal(cause: unknown): boolean {
  return classifyFailure(cause) === 'bad_row' || codeOf(cause)?.startsWith('54') === true;
}

const BARE_TOPIC = '(not storable)';

/** What of a letter any table takes. Its tenant cannot be told any more. */
function bare({ receivedUs, payload, readings, code }: DeadLetter, refusal: string): DeadLetter {
  const reason = `A dead letter (${code}) that the database refused: ${refusal}`.slice(0, 500);
  const rest = { receivedUs, payload, readings, tenant: null, topic: BARE_TOPIC };
  return { ...rest, code: 'letter_unstorable', reason: storableText(reason) };
}

/** Text columns have no NUL and no broken characters; the payload keeps every byte. */
function storable(letter: DeadLetter): DeadLetter {
  const { tenant, asset, contentType, userProperties } = letter;
  return {
    ...letter,
    tenant: storableName(tenant),
    asset: storableName(asset ?? null),
    topic: storableText(letter.topic),
    contentType: contentType === undefined ? undefined : storableText(contentType),
    userProperties: userProperties === undefined ? undefined : storableTexts(userProperties),
    reason: storableText(letter.reason),
  };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
const UNSTORABLE = /[\u0000\p{Cs}]/gu;

/** A text without what no column takes. */
export function storableText(text: string): string {
  return text.replace(UNSTORABLE, '\uFFFD');
}

/** A name that cannot be kept as it is is no other name either. */
function storableName(name: string | null): string | null {
  if (name === null || storableText(name) !== name) return null;
  return Buffer.byteLength(name) <= TENANT_BYTES_MAX ? name : null;
}

function storableTexts(texts: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [storableText(name), storableText(text)]),
  );
}

function groupBySize(letters: readonly DeadLetter[]): DeadLetter[][] {
  const groups: DeadLetter[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const letter of letters) {
    const isFull = groups.at(-1)?.length === STATEMENT_LETTERS_MAX;
    if (isFull || bytes + letter.payload.length > STATEMENT_BYTES_MAX) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(letter);
    bytes += letter.payload.length;
  }
  return groups;
}
