// What lanes have to hold: any batches leave the table as one lane would, and each row's outcome is the one lane's.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { Database } from '../sql/connection.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { partitionRows } from './partition-rows.ts';
import { ROW_OUTCOME } from './readings.ts';
import { batchOf, type RowOfBatch } from './testing.ts';
import { createWriter } from './writer.ts';

const log = createLog('silent');
const T = 1_700_000_000_000_000;
const NUMBERS = 5;
const SERIES = 7;

let opened: TestDatabase;
let database: Database;

beforeAll(async () => {
  opened = await openTestDatabase();
  database = opened.database;
  await database.writer.query(
    `insert into tailrace.series (tenant, asset, channel, value_kind)
     select 't', 'a', 'c' || i, case when i <= ${NUMBERS} then 'number' else 'state' end
     from generate_series(1, ${SERIES}) i`,
  );
});
afterAll(() => opened.dispose());

describe('rows and lanes', () => {
  it('each row has one lane, that of its series, and lanes keep the order of receipt', () => {
    const ids = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 80 });
    fc.assert(
      fc.property(ids, fc.integer({ min: 1, max: 5 }), (seriesIds, lanes) => {
        const parts = partitionRows(Int32Array.from(seriesIds), seriesIds.length, lanes);
        expect(parts).toHaveLength(lanes);
        const laneOf = new Map<number, number>();
        for (const [lane, rows] of parts.entries()) {
          expect([...rows]).toEqual([...rows].toSorted((a, b) => a - b));
          for (const row of rows) {
            const id = seriesIds[row] as number;
            expect(laneOf.get(id) ?? lane).toBe(lane);
            laneOf.set(id, lane);
          }
        }
        const all = parts.flatMap((rows) => [...rows]).toSorted((a, b) => a - b);
        expect(all).toEqual(seriesIds.map((_, row) => row));
      }),
    );
  });
});

describe('several lanes', () => {
  const row = fc
    .record({
      id: fc.integer({ min: 1, max: SERIES }),
      t: fc.integer({ min: 0, max: 6 }),
      v: fc.integer({ min: 0, max: 3 }),
      q: fc.integer({ min: 0, max: 1 }),
      dup: fc.boolean(),
    })
    // What cannot be stored has keys of its own: where a good row of one batch takes its place, nobody tries to.
    .map((r): RowOfBatch => (r.id <= NUMBERS ? r : { ...r, v: r.t === 6 ? 'nul \0' : `s${r.v}` }));
  const batches = fc.array(fc.array(row, { maxLength: 24 }), { minLength: 1, maxLength: 5 });

  async function writeAll(given: readonly (readonly RowOfBatch[])[], lanes: number) {
    await database.writer.query('delete from tailrace.reading');
    await database.writer.query('delete from tailrace.state_reading');
    const writer = createWriter({ database, log, metrics: createMetrics(), lanes });
    const outcomes = await Promise.all(
      given.map((rows) => writer.write(batchOf(rows.map((r) => ({ ...r, t: T + r.t }))))),
    );
    await writer.stop();
    const { rows: table } = await database.writer.query(
      `select series_id, time::text, value::text, quality from tailrace.reading union all
       select series_id, time::text, value, quality from tailrace.state_reading order by 1, 2`,
    );
    return { outcomes, table };
  }

  it('leave the table as one would, and say the same of every row', async () => {
    await fc.assert(
      fc.asyncProperty(batches, fc.integer({ min: 2, max: 4 }), async (given, lanes) => {
        const one = await writeAll(given, 1);
        const many = await writeAll(given, lanes);
        expect(many.table).toEqual(one.table);
        expect(many.outcomes).toEqual(one.outcomes);
        for (const [
          index,
          { inserted, duplicate, corrected, refused },
        ] of many.outcomes.entries()) {
          expect(inserted + duplicate + corrected + refused.length).toBe(given[index]?.length);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('of two processes may meet in every key: each is inserted once, and none waits for ever', async () => {
    await database.writer.query('delete from tailrace.reading');
    const writers = [1, 2].map(() =>
      createWriter({ database, log, metrics: createMetrics(), lanes: 2 }),
    );
    const KEYS = 600;
    // Each process sends all keys in an order of its own, some of them in every batch.
    const rowsOf = (writer: number, batch: number): RowOfBatch[] =>
      Array.from({ length: KEYS / 2 }, (_, i) => {
        const key = ((i + batch * 71) * (writer === 0 ? 7 : 11)) % KEYS;
        return { id: 1 + (key % NUMBERS), t: T + Math.floor(key / NUMBERS), v: writer };
      });
    const outcomes = await Promise.all(
      writers.flatMap((writer, index) =>
        Array.from({ length: 8 }, (_, batch) => writer.write(batchOf(rowsOf(index, batch)))),
      ),
    );
    for (const writer of writers) await writer.stop();
    const { rows } = await database.writer.query(
      'select count(*)::int4 as n from tailrace.reading',
    );
    const sum = (of: 'inserted' | 'duplicate' | 'corrected') =>
      outcomes.reduce((total, outcome) => total + outcome[of], 0);
    expect(rows).toEqual([{ n: sum('inserted') }]);
    expect(sum('inserted') + sum('duplicate') + sum('corrected')).toBe((KEYS / 2) * 16);
  }, 60_000);

  it('fail by themselves: a refused row keeps its number in the whole batch', async () => {
    const rows: RowOfBatch[] = Array.from({ length: 60 }, (_, i) => ({
      id: 6 + (i % 2),
      t: 100 + i,
      v: i === 41 ? 'nul \0' : 'fine',
    }));
    const { outcomes } = await writeAll([rows], 2);
    expect(outcomes[0]).toMatchObject({ inserted: 59, refused: [{ row: 41, code: '22021' }] });
    expect(outcomes[0]?.rowOutcomes.indexOf(ROW_OUTCOME.refused)).toBe(41);
  });
});
