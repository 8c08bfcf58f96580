import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ROW_OUTCOME } from './readings.ts';
import { distinctKeys, resolveConflicts, resolveDistinct } from './resolve-conflicts.ts';
import { sortReadings } from './sort-readings.ts';
import { batchOf, type RowOfBatch } from './testing.ts';

/** What is stored under one key. */
interface Stored {
  readonly value: number | string;
  readonly quality: number;
}

/** As columns, by the places of keys. */
function storedAt(cells: readonly (Stored | undefined)[]) {
  return {
    present: Uint8Array.from(cells, (stored) => (stored === undefined ? 0 : 1)),
    values: cells.map((stored) => stored?.value),
    qualities: cells.map((stored) => stored?.quality ?? 0),
  };
}

type Cell = Pick<RowOfBatch, 'v' | 'q' | 'dup'>;

const cell = (v: number | string, q = 0): Cell => ({ v, q });
const dup = (v: number | string, q = 0): Cell => ({ v, q, dup: true });

/** Folds cells that all have one key into what is stored there. */
function fold(stored: Stored | undefined, cells: readonly Cell[]) {
  const batch = batchOf(cells.map((given) => ({ id: 1, t: 1, ...given })));
  const { numbers, states } = sortReadings(batch);
  const outcomes = new Uint8Array(cells.length);
  const resolution = resolveConflicts(
    batch,
    numbers.rows.length > 0 ? numbers.rows : states.rows,
    outcomes,
    stored === undefined ? undefined : storedAt([stored]),
  );
  return { ...resolution, outcomes: [...outcomes] };
}

const good = (value: number | string): Stored => ({ value, quality: 0 });

describe('readings that share a key', () => {
  it.each([
    // stored, rows → inserted, duplicate, corrected, row to insert, row to replace with
    ['a new reading is inserted', undefined, [cell(1)], 1, 0, 0, [0], []],
    ['the same again is a duplicate', good(1), [cell(1)], 0, 1, 0, [], []],
    ['another value is a correction', good(1), [cell(2)], 0, 0, 1, [], [0]],
    ['another quality is a correction', good(1), [cell(1, 192)], 0, 0, 1, [], [0]],
    ['0 and -0 are the same', good(0), [cell(-0)], 0, 1, 0, [], []],
    ['the last of several wins', good(1), [cell(2), cell(3)], 0, 0, 2, [], [1]],
    ['corrected and back again writes nothing', good(1), [cell(2), cell(1)], 0, 0, 2, [], []],
    ['twice in one batch is one duplicate', undefined, [cell(1), cell(1)], 1, 1, 0, [0], []],
    ['corrected within the batch', undefined, [cell(1), cell(2)], 1, 0, 1, [1], []],
    ['a repeated packet never overwrites', good(1), [dup(2)], 0, 1, 0, [], []],
    ['a repeated packet may be the first', undefined, [dup(2)], 1, 0, 0, [0], []],
    ['and then be corrected', undefined, [dup(2), cell(3)], 1, 0, 1, [1], []],
    ['but not correct', undefined, [cell(3), dup(2), cell(3)], 1, 2, 0, [0], []],
    ['states alike', good('on'), [cell('off'), dup('on'), cell('off')], 0, 2, 1, [], [0]],
    ['an empty state is a value', undefined, [cell(''), cell('')], 1, 1, 0, [0], []],
  ] as const)('%s', (_name, stored, cells, inserted, duplicate, corrected, insert, replace) => {
    const resolution = fold(stored, cells);
    expect({
      ...resolution,
      insert: [...resolution.insert],
      replace: [...resolution.replace],
    }).toMatchObject({ inserted, duplicate, corrected, insert, replace });
  });

  it('need no looking for where no two do: all are new, whatever an attempt before left', () => {
    const outcomes = new Uint8Array(3).fill(ROW_OUTCOME.duplicate);
    expect(resolveDistinct(Int32Array.of(2, 0), outcomes)).toMatchObject({ inserted: 2 });
    expect([...outcomes]).toEqual([
      ROW_OUTCOME.inserted,
      ROW_OUTCOME.duplicate,
      ROW_OUTCOME.inserted,
    ]);
  });

  it('says of each row what became of it', () => {
    const { duplicate, corrected, overruled, inserted } = ROW_OUTCOME;
    expect(fold(good(1), [dup(2), dup(1), cell(3), dup(1)]).outcomes).toEqual([
      overruled,
      duplicate,
      corrected,
      overruled,
    ]);
    expect(fold(undefined, [cell(1), cell(1)]).outcomes).toEqual([inserted, duplicate]);
  });

  it('counts every row once, and leaves what a row by row upsert would', () => {
    const row = fc.record({
      id: fc.integer({ min: 1, max: 3 }),
      t: fc.integer({ min: 0, max: 3 }),
      v: fc.integer({ min: 0, max: 2 }),
      q: fc.integer({ min: 0, max: 1 }),
      dup: fc.boolean(),
    });
    const keyOf = ({ id, t }: { id: number; t: number }) => `${id}@${t}`;
    fc.assert(
      fc.property(fc.array(row), fc.array(row), (before, given) => {
        const table = new Map<string, Stored>();
        for (const r of before) table.set(keyOf(r), { value: r.v, quality: r.q });

        const batch = batchOf(given);
        const { rows: sorted, distinct } = sortReadings(batch).numbers;
        const keys = distinctKeys(batch, sorted);
        expect(distinct).toBe(keys.length === given.length);
        const stored = storedAt(Array.from(keys, (index) => table.get(keyOf(given[index]!))));
        const outcomes = new Uint8Array(given.length).fill(255);
        const resolution = resolveConflicts(batch, sorted, outcomes, stored);
        const written = new Map(table);
        for (const index of [...resolution.insert, ...resolution.replace]) {
          written.set(keyOf(given[index]!), { value: given[index]!.v, quality: given[index]!.q! });
        }

        for (const r of given) {
          if (r.dup && table.has(keyOf(r))) continue;
          table.set(keyOf(r), { value: r.v, quality: r.q });
        }
        expect(written).toEqual(table);
        const { inserted, duplicate, corrected } = resolution;
        expect(inserted + duplicate + corrected).toBe(given.length);
        const became = (...kinds: number[]) =>
          outcomes.filter((kind) => kinds.includes(kind)).length;
        expect(became(ROW_OUTCOME.inserted)).toBe(inserted);
        expect(became(ROW_OUTCOME.duplicate, ROW_OUTCOME.overruled)).toBe(duplicate);
        expect(became(ROW_OUTCOME.corrected)).toBe(corrected);
        expect(resolution.insert.length).toBe(inserted);
      }),
    );
  });
});
