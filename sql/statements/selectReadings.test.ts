// Long texts come in parts that fit into memory, whoever asks for how many.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { readEach } from '../snapshot.ts';
import { selectStateReadings } from './selectReadings.ts';

const DAY_US = 86_400_000_000;
const START_US = Date.parse('2026-03-02T00:00:00Z') * 1000;
const TEXTS = 400;
const BYTES_EACH = 60_000;

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
  await opened.database.writer.query(`
    insert into tailrace.state_reading (series_id, time, value)
    select s, timestamptz '2026-03-02T00:00Z' + i * interval '1 second',
      case when s = 3 then 'idle' else i || repeat('ä', ${BYTES_EACH / 2}) end
    from generate_series(1, 3) s, generate_series(1, ${TEXTS}) i`);
});
afterAll(() => opened.dispose());

const numberOf = (text: string) => Number.parseInt(text, 10);
const whole = { startUs: START_US, endUs: START_US + DAY_US, limit: 1000, qualities: true };

it('gives long texts in parts, none of them twice, and says when there are more', async () => {
  const sql = readEach(opened.database, undefined);
  const numbers: number[] = [];
  let parts = 0;
  for (let startUs = START_US, more = true; more; parts += 1) {
    const [rows] = await selectStateReadings(sql, { ...whole, seriesIds: [1], startUs });
    if (rows === undefined) break;
    expect(rows.values.length * BYTES_EACH).toBeLessThan(20 * 1024 * 1024);
    expect([rows.timesUs.length, rows.qualities.length]).toEqual(Array(2).fill(rows.values.length));
    numbers.push(...rows.values.map(numberOf));
    more = rows.more;
    startUs = rows.timesUs.at(-1)! + 1;
  }
  expect(numbers).toEqual(Array.from({ length: TEXTS }, (_, i) => i + 1));
  expect(parts).toBe(2);
}, 60_000);

it('gives several series their share, and short texts all at once', async () => {
  const sql = readEach(opened.database, undefined);
  const rows = await selectStateReadings(sql, { ...whole, seriesIds: [1, 2, 3] });
  expect(rows.map(({ seriesId, more }) => [seriesId, more])).toEqual([
    [1, true],
    [2, true],
    [3, false],
  ]);
  expect(rows[2]!.values).toHaveLength(TEXTS);
  expect(rows[0]!.values.length * BYTES_EACH).toBeLessThan(6 * 1024 * 1024);
}, 60_000);
