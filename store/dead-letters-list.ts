// Dead letters for people: found, listed, asked to be replayed, discarded.
import type { Database } from '../sql/connection.ts';
import { type Deleted, deleteDeadLetters } from '../sql/statements/deleteDeadLetters.ts';
import { requestReplays } from '../sql/statements/requestReplays.ts';
import { selectDeadLetterAssets } from '../sql/statements/selectDeadLetterAssets.ts';
import {
  type DeadLetterFilter,
  type DeadLetterRecord,
  selectDeadLetterRows,
} from '../sql/statements/selectDeadLetters.ts';
import { type ReplayState, selectReplayStates } from '../sql/statements/selectReplayStates.ts';
import { withClient } from '../sql/transaction.ts';
import { throwReadable } from './read-failure.ts';

export type { DeadLetterFilter, DeadLetterRecord, ReplayState };

/** A page of letters, the newest first. */
export interface DeadLetterPage {
  readonly letters: readonly DeadLetterRecord[];
  /** Whether there are older ones; what is given as `before` then is the last one's time and id. */
  readonly hasMore: boolean;
}

/** What of the letters a route needs. */
export interface DeadLetters {
  list(filter: DeadLetterFilter, limit: number): Promise<DeadLetterPage>;
  /** The assets that letters of a tenant are for. */
  assets(tenant: string): Promise<readonly string[]>;
  /** Asks for the replay of a letter; undefined where the filter finds none. */
  requestReplay(filter: DeadLetterFilter): Promise<DeadLetterRecord | undefined>;
}

/** Payloads of a page: 16 MB is one letter at most, or many small ones. As JSON it is a third more. */
const PAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Letters that are changed by one statement. */
const STEP_LETTERS = 500;
const ASSETS_MAX = 100_000;

/**
 * Letters, the newest first: at most `limit`, and fewer where they are large.
 * @throws TailraceError `database_unavailable`, `database_not_migrated`.
 */
export async function listDeadLetters(
  { reader }: Pick<Database, 'reader'>,
  filter: DeadLetterFilter,
  limit: number,
  bytesMax: number = PAGE_BYTES_MAX,
): Promise<DeadLetterPage> {
  const page = { limit: limit + 1, bytesMax };
  const rows = await selectDeadLetterRows(reader, filter, page).catch(throwReadable);
  const letters = rows.slice(0, limit);
  return { letters, hasMore: (rows[0]?.page_rows ?? 0) > letters.length };
}

/** Makes what routes need. `onRequested` is told of each replay that is asked for. */
export function openDeadLetters(
  database: Database,
  onRequested: () => void = () => {},
): DeadLetters {
  return {
    list: (filter, limit) => listDeadLetters(database, filter, limit),
    assets: (tenant) =>
      selectDeadLetterAssets(database.reader, tenant, ASSETS_MAX).catch(throwReadable),
    async requestReplay(filter) {
      const order = { limit: 1, withPayload: true };
      const [letter] = await withClient(database, (client) =>
        requestReplays(client, filter, order),
      ).catch(throwReadable);
      if (letter !== undefined) onRequested();
      return letter;
    },
  };
}

/** Asks for the replay of all letters that a filter finds, in steps where that goes; gives back their ids. */
export async function requestAllReplays(
  database: Pick<Database, 'writer'>,
  filter: DeadLetterFilter,
  max: number,
): Promise<number[]> {
  const ids: number[] = [];
  const step = filter.unsettled === true ? STEP_LETTERS : max;
  while (ids.length < max) {
    const order = { limit: Math.min(step, max - ids.length), withPayload: false };
    // What is asked for is unsettled no more: each step finds others.
    const asked = await withClient(database, (client) => requestReplays(client, filter, order));
    ids.push(...asked.map(({ id }) => id));
    if (asked.length < order.limit || filter.unsettled !== true) break;
  }
  return ids;
}

/** Deletes all letters that a filter finds, in steps. */
export async function discardDeadLetters(
  database: Pick<Database, 'writer'>,
  filter: DeadLetterFilter,
  max: number,
): Promise<Deleted> {
  let letters = 0;
  let bytes = 0;
  while (letters < max) {
    const limit = Math.min(STEP_LETTERS, max - letters);
    const gone = await withClient(database, (client) => deleteDeadLetters(client, filter, limit));
    letters += gone.letters;
    bytes += gone.bytes;
    if (gone.letters < limit) break;
  }
  return { letters, bytes };
}

/** How it stands with letters whose replay was asked for; those that are gone are left out. */
export async function replayStates(
  database: Pick<Database, 'writer'>,
  ids: readonly number[],
): Promise<ReplayState[]> {
  return withClient(database, (client) => selectReplayStates(client, ids));
}
