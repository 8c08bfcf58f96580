// One attempt at writing rows of a batch: a transaction that takes the late horizon's lock, stores the rows, marks
// what is dirty, and commits. `copy` takes it that no key is stored yet, and fails with 23505 where that is wrong;
// `staging` looks first.
import { encodeReadings, encodeStateReadings } from '../sql/copy-binary.ts';
import { beginWriting } from '../sql/statements/beginWriting.ts';
import { copyReadings, copyStateReadings } from '../sql/statements/copyReadings.ts';
import { insertDirtyRanges } from '../sql/statements/insertDirtyRanges.ts';
import { replaceReadings, replaceStates } from '../sql/statements/replaceReadings.ts';
import {
  type KeysToFind,
  prepareLooking,
  type StoredRows,
  selectStoredReadings,
  selectStoredStates,
} from '../sql/statements/selectStoredReadings.ts';
import { type Client, transact, type Writable } from '../sql/transaction.ts';
import { dirtyMarks, GAP_MAX_US } from './dirty-ranges.ts';
import type { FirstTimes } from './first-times.ts';
import type { ReadingBatch } from './readings.ts';
import {
  distinctKeys,
  type Resolution,
  resolveConflicts,
  resolveDistinct,
  type StoredReadings,
} from './resolve-conflicts.ts';
import { type SortedRun, sortReadings } from './sort-readings.ts';
import type { WritePath } from './write-failure.ts';

const DAY_US = 86_400_000_000;

/** How written rows count. inserted + duplicate + corrected is the number of rows. */
interface WriteTally {
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
  readonly late: number;
}

/** Rows of a batch, and where it is noted what becomes of them. */
interface RowsToWrite {
  readonly batch: ReadingBatch;
  /** In receipt order. */
  readonly rows: Int32Array;
  /** A place for every row of the batch. */
  readonly rowOutcomes: Uint8Array;
  /** After which the connection is given up. */
  readonly deadlineMs: number;
  /** This process among those that append to the feed. */
  readonly feedWriter?: number | undefined;
}

/** Writes rows and notes what becomes of each. All or nothing; throws whatever the driver throws. */
export async function writeRows(
  database: Writable,
  { batch, rows, rowOutcomes, deadlineMs, feedWriter }: RowsToWrite,
  path: WritePath,
  firstTimes: FirstTimes,
): Promise<WriteTally> {
  const sorted = sortReadings(batch, rows);
  const writeAll = async (client: Client, lateBeforeUs: number) => {
    if (path === 'staging') await prepareLooking(client);
    const numbers = await store(client, batch, sorted.numbers, NUMBERS, rowOutcomes, path);
    const states = await store(client, batch, sorted.states, STATES, rowOutcomes, path);
    for (const changed of [numbers.insert, numbers.replace]) {
      const marks = dirtyMarks(batch, changed, lateBeforeUs);
      if (marks.seriesIds.length > 0) await insertDirtyRanges(client, marks, GAP_MAX_US);
    }
    const lowered = await firstTimes.lower(client, batch, [numbers.insert, states.insert]);
    return { numbers, states, lowered, lateBeforeUs };
  };
  const begin = (client: Client) => beginWriting(client, feedWriter);
  const written = await transact(database, begin, writeAll, deadlineMs);
  written.lowered();
  const { numbers, states } = written;
  return {
    inserted: numbers.inserted + states.inserted,
    duplicate: numbers.duplicate + states.duplicate,
    corrected: numbers.corrected + states.corrected,
    late: countBefore(batch, rows, written.lateBeforeUs),
  };
}

/** The statements for one of the two tables. */
interface Table {
  find(client: Client, keys: KeysToFind): Promise<StoredRows>;
  replace(client: Client, batch: ReadingBatch, rows: Int32Array): Promise<void>;
  /** Fails with 23505 where a key exists, also one that somebody else stored since we looked. */
  append(client: Client, batch: ReadingBatch, rows: Int32Array): Promise<void>;
}

const NUMBERS: Table = {
  find: selectStoredReadings,
  replace: replaceReadings,
  append: (client, batch, rows) => copyReadings(client, encodeReadings(batch, rows)),
};

const STATES: Table = {
  find: selectStoredStates,
  replace: replaceStates,
  append: (client, batch, rows) => copyStateReadings(client, encodeStateReadings(batch, rows)),
};

async function store(
  client: Client,
  batch: ReadingBatch,
  { rows, distinct }: SortedRun,
  table: Table,
  outcomes: Uint8Array,
  path: WritePath,
): Promise<Resolution> {
  let resolution: Resolution;
  if (path === 'staging') {
    const stored = await findStored(client, batch, distinctKeys(batch, rows), table);
    resolution = resolveConflicts(batch, rows, outcomes, stored);
  } else {
    resolution = distinct
      ? resolveDistinct(rows, outcomes)
      : resolveConflicts(batch, rows, outcomes);
  }
  if (resolution.replace.length > 0) await table.replace(client, batch, resolution.replace);
  if (resolution.insert.length > 0) await table.append(client, batch, resolution.insert);
  return resolution;
}

/** Looks day by day, because chunks are days: the bounds of a whole batch may open every chunk there is. */
async function findStored(
  client: Client,
  batch: ReadingBatch,
  keys: Int32Array,
  table: Table,
): Promise<StoredReadings> {
  const present = new Uint8Array(keys.length);
  const values: (number | string)[] = new Array(keys.length);
  const qualities = new Int16Array(keys.length);
  for (const places of placesByDay(batch, keys)) {
    const rows = places.map((place) => keys[place]!);
    const found = await table.find(client, { ...batch, rows });
    for (let i = 0; i < found.keys.length; i++) {
      const place = places[found.keys[i]!]!;
      present[place] = 1;
      values[place] = found.values[i]!;
      qualities[place] = found.qualities[i]!;
    }
  }
  return { present, values, qualities };
}

/** The places of `keys`, those of each day together and in their order. */
function placesByDay(batch: ReadingBatch, keys: Int32Array): Int32Array[] {
  const days = new Map<number, number[]>();
  for (let place = 0; place < keys.length; place++) {
    const day = Math.floor(batch.timesUs[keys[place]!]! / DAY_US);
    const sameDay = days.get(day);
    if (sameDay === undefined) days.set(day, [place]);
    else sameDay.push(place);
  }
  return [...days.values()].map((places) => Int32Array.from(places));
}

function countBefore(batch: ReadingBatch, rows: Int32Array, lateBeforeUs: number): number {
  let late = 0;
  for (const row of rows) if (batch.timesUs[row]! < lateBeforeUs) late++;
  return late;
}
