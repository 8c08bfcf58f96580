import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { insertDeadLetters } from './dead-letters.ts';
import { discardDeadLetters, listDeadLetters, requestAllReplays } from './dead-letters-list.ts';
import { type DeadLetterRetention, startDeadLetterRetention } from './dead-letters-retention.ts';

const NOW_MS = Date.UTC(2026, 2, 1, 12);
const DAY_MS = 86_400_000;

let test: TestDatabase;
let retention: DeadLetterRetention | undefined;

beforeAll(async () => {
  test = await openTestDatabase();
});

afterEach(async () => {
  await retention?.stop();
  await discardDeadLetters(test.database, {}, 10_000);
});

afterAll(() => test.dispose());

/** Letters of one size, received every so many ms up to now. */
async function keep(letters: number, everyMs: number, bytes = 100): Promise<void> {
  await insertDeadLetters(
    test.database,
    Array.from({ length: letters }, (_, i) => ({
      ...{
        receivedUs: (NOW_MS - (letters - 1 - i) * everyMs) * 1_000,
        tenant: 'acme',
        readings: 1,
      },
      ...{ topic: 't/acme/rig-1/x', code: 'no_rule', reason: 'x', payload: Buffer.alloc(bytes) },
    })),
  );
}

async function look(of: { ageMaxMs?: number; bytesMax?: number }): Promise<string> {
  const metrics = createMetrics();
  const limits = { ageMaxMs: 30 * DAY_MS, bytesMax: 1e9, ...of };
  retention = startDeadLetterRetention({
    ...{ database: test.database, metrics, log: createLog('silent'), clock: () => NOW_MS },
    ...{ ...limits, intervalMs: 3_600_000 },
  });
  await retention.lookNow();
  return metrics.exposition();
}

const timesLeft = async () =>
  (await listDeadLetters(test.database, {}, 10_000)).letters.map((one) => one.received_us / 1_000);

it('drops what is too old, with the chunks that are empty then, and nothing else', async () => {
  await keep(14, DAY_MS);
  await requestAllReplays(test.database, { unsettled: true }, 3);
  const chunks = async () =>
    (await test.database.writer.query(`select show_chunks('tailrace.dead_letter')`)).rowCount;
  expect(await chunks()).toBe(14);
  const metrics = await look({ ageMaxMs: 10 * DAY_MS });
  expect(await timesLeft()).toEqual(Array.from({ length: 11 }, (_, i) => NOW_MS - i * DAY_MS));
  expect(await chunks()).toBe(11);
  expect(metrics).toContain('tailrace_dead_letters 11');
  expect(metrics).toContain('tailrace_dead_letters_dropped_total 3');
  expect(metrics).toContain('tailrace_dead_letters_waiting 0');
});

it('drops the oldest while all together are too large, in steps', async () => {
  await keep(2_000, 10, 700);
  const metrics = await look({ bytesMax: 400_000 });
  const size = Number(/tailrace_dead_letters_size (\d+)/.exec(metrics)?.[1]);
  // As many as fit, to the letter.
  expect(size).toBeLessThanOrEqual(400_000);
  expect(size).toBeGreaterThan(400_000 - 1_100);
  expect(metrics).toContain('tailrace_dead_letters_max 400000');
  const left = await timesLeft();
  expect(left).toEqual(Array.from({ length: left.length }, (_, i) => NOW_MS - i * 10));
});

it('leaves alone what is within bounds', async () => {
  await keep(5, 1_000);
  await requestAllReplays(test.database, { unsettled: true }, 2);
  const metrics = await look({});
  expect(await timesLeft()).toHaveLength(5);
  expect(metrics).toContain('tailrace_dead_letters_dropped_total 0');
  expect(metrics).toContain('tailrace_dead_letters_waiting 2');
});

it('drops a letter once where two look at a time', async () => {
  await keep(1_000, 10, 700);
  const other = startDeadLetterRetention({
    ...{ database: test.database, metrics: createMetrics(), log: createLog('silent') },
    ...{ clock: () => NOW_MS, ageMaxMs: DAY_MS, bytesMax: 500_000, intervalMs: 3_600_000 },
  });
  await Promise.all([other.lookNow(), look({ bytesMax: 500_000 })]);
  await other.stop();
  const { rows } = await test.database.writer.query(
    `select sum(bytes)::int4 as bytes, sum(letters)::int4 as letters,
       (select count(*)::int4 from tailrace.dead_letter) as kept from tailrace.dead_letter_day`,
  );
  expect(rows[0].letters).toBe(rows[0].kept);
  expect(rows[0].bytes).toBeGreaterThan(500_000 - 1_100);
});
