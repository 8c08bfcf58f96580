// One attempt at writing rows of a batch: a transaction that takes the late horizon's lock, stores the rows, marks
// what is dirty, and commits. `copy` takes it that no key is stored yet, and fails with 23505 where that is wrong;
// `staging` looks first.
import { encodeReadings, encodeStateReadings } from '../sql/copy-binary.ts';
import { beginWriting } from '../sql/statements/beginWriting.ts';
import { copyReadings, copyStateReadings } from '../sql/statements/copyReadings.ts';
import { insertDirtyRanges } from '../sql/statements/insertDirtyRanges.ts';
import { liftDecompressionLimit, replaceReadings } from '../sql/statements/replaceReadings.ts';
import {
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
  type StoredReading,
} from './resolve-conflicts.ts';
import { sortReadings } from './sort-readings.ts';
import type { WritePath } from './write-failure.ts';

const DAY_US = 86_400_000_000;

/** How written rows count. inserted + duplicate + corrected is the number of rows. */
interface WriteTally {
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
  readonly late: number;
}

/** What a committed attempt tells. */
interface Written extends WriteTally {
  /** See `beginWriting`. */
  readonly withoutTriggers: boolean;
}

/** Rows of a batch, and where it is noted what becomes of them. */
interface RowsToWrite {
  readonly batch: ReadingBatch;
  /** In receipt order. */
  readonly rows: Int32Array;
  /** A place for every row of the batch. */
  readonly rowOutcomes: Uint8Array;
}

/** Writes rows and notes what becomes of each. All or nothing; throws whatever the driver throws. */
export async function writeRows(
  database: Writable,
  { batch, rows, rowOutcomes }: RowsToWrite,
  path: WritePath,
  firstTimes: FirstTimes,
): Promise<Written> {
  const sorted = sortReadings(batch, rows);
  const resolve = path === 'copy' ? copyRows : stageRows;
  const written = await transact(database, beginWriting, async (client, begun) => {
    const { lateBeforeUs } = begun;
    const numbers = await resolve(client, batch, sorted.numbers, 'number', rowOutcomes);
    const states = await resolve(client, batch, sorted.states, 'state', rowOutcomes);
    for (const changed of [numbers.insert, numbers.replace]) {
      const marks = dirtyMarks(batch, changed, lateBeforeUs);
      if (marks.seriesIds.length > 0) await insertDirtyRanges(client, marks, GAP_MAX_US);
    }
    const lowered = await firstTimes.lower(client, batch, [numbers.insert, states.insert]);
    return { numbers, states, lowered, ...begun };
  });
  written.lowered();
  const { numbers, states } = written;
  return {
    inserted: numbers.inserted + states.inserted,
    duplicate: numbers.duplicate + states.duplicate,
    corrected: numbers.corrected + states.corrected,
    late: countBefore(batch, rows, written.lateBeforeUs),
    withoutTriggers: written.withoutTriggers,
  };
}

type RowKind = 'number' | 'state';

async function copyRows(
  client: Client,
  batch: ReadingBatch,
  rows: Int32Array,
  kind: RowKind,
  outcomes: Uint8Array,
): Promise<Resolution> {
  const resolution = resolveConflicts(batch, rows, outcomes);
  await append(client, batch, resolution.insert, kind);
  return resolution;
}

async function stageRows(
  client: Client,
  batch: ReadingBatch,
  rows: Int32Array,
  kind: RowKind,
  outcomes: Uint8Array,
): Promise<Resolution> {
  const stored = await findStored(client, batch, distinctKeys(batch, rows), kind);
  const resolution = resolveConflicts(batch, rows, outcomes, stored);
  if (resolution.replace.length > 0) {
    await liftDecompressionLimit(client);
    await replaceReadings(client, kind, pick(batch, resolution.replace, kind));
  }
  await append(client, batch, resolution.insert, kind);
  return resolution;
}

/** Fails with 23505 where a key exists, also one that somebody else stored since we looked. */
async function append(
  client: Client,
  batch: ReadingBatch,
  rows: Int32Array,
  kind: RowKind,
): Promise<void> {
  if (rows.length === 0) return;
  if (kind === 'number') await copyReadings(client, encodeReadings(batch, rows));
  else await copyStateReadings(client, encodeStateReadings(batch, rows));
}

/** Looks day by day, because chunks are days: the bounds of a whole batch may open every chunk there is. */
async function findStored(
  client: Client,
  batch: ReadingBatch,
  keys: Int32Array,
  kind: RowKind,
): Promise<Map<number, StoredReading>> {
  const select = kind === 'number' ? selectStoredReadings : selectStoredStates;
  const keysByDay = new Map<number, number[]>();
  keys.forEach((row, key) => {
    const day = Math.floor(batch.timesUs[row]! / DAY_US);
    const sameDay = keysByDay.get(day);
    if (sameDay === undefined) keysByDay.set(day, [key]);
    else sameDay.push(key);
  });
  const stored = new Map<number, StoredReading>();
  for (const sameDay of keysByDay.values()) {
    const found = await select(client, {
      seriesIds: sameDay.map((key) => batch.seriesIds[keys[key]!]!),
      timesUs: sameDay.map((key) => batch.timesUs[keys[key]!]!),
    });
    for (const row of found) stored.set(sameDay[row.key]!, row);
  }
  return stored;
}

function pick(batch: ReadingBatch, rows: Int32Array, kind: RowKind) {
  const list = [...rows];
  return {
    seriesIds: list.map((row) => batch.seriesIds[row]!),
    timesUs: list.map((row) => batch.timesUs[row]!),
    values: list.map((row) =>
      kind === 'number' ? batch.values[row]! + 0 : (batch.states[row] ?? ''),
    ),
    qualities: list.map((row) => batch.qualities[row]!),
  };
}

function countBefore(batch: ReadingBatch, rows: Int32Array, lateBeforeUs: number): number {
  let late = 0;
  for (const row of rows) if (batch.timesUs[row]! < lateBeforeUs) late++;
  return late;
}
