import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { type Reading, readSnapshot } from './snapshot.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await openTestDatabase();
});

afterAll(() => test.dispose());

const GONE = new Error('gone');

const isNative = process.env.DATABASE_URL !== undefined && process.env.DATABASE_URL !== '';

const sleep = (sql: Reading, seconds: number) =>
  sql.unsafe<{ pid: number }[]>(`select pg_backend_pid() as pid, pg_sleep(${seconds})`);

/** Statements that the server runs for readers. */
async function running(): Promise<number> {
  const { rows } = await test.database.writer.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and state <> 'idle' and query like '%pg_sleep%' and pid <> pg_backend_pid()`,
  );
  return rows[0]?.count ?? 0;
}

/** As many snapshots at once as the pool has connections, all of them good. */
async function everyConnectionWorks(): Promise<void> {
  const max = test.database.reader.options.max;
  const answers = await Promise.all(
    Array.from({ length: max }, () =>
      readSnapshot(test.database, async (sql) => {
        await sql.unsafe('select 1');
        return sql.unsafe<{ two: number }[]>('select 2 as two');
      }),
    ),
  );
  expect(answers.map(([row]) => row?.two)).toEqual(new Array(max).fill(2));
}

describe('a snapshot whose reader goes away', () => {
  it('is not begun where he is gone already', async () => {
    const work = () => Promise.reject(new Error('was begun'));
    await expect(readSnapshot(test.database, work, AbortSignal.abort(GONE))).rejects.toBe(GONE);
  });

  it('refuses the statements that would come next', async () => {
    const leave = new AbortController();
    let refused: unknown;
    const reading = readSnapshot(
      test.database,
      async (sql) => {
        await sql.unsafe('select 1');
        leave.abort(GONE);
        await sql.unsafe('select 2').catch((cause: unknown) => {
          refused = cause;
        });
      },
      leave.signal,
    );
    await expect(reading).rejects.toBe(GONE);
    await everyConnectionWorks();
    expect(refused).toBe(GONE);
  });

  it('refuses what goes on asking after the work has failed', async () => {
    let asking: Promise<unknown> = Promise.resolve();
    const reading = readSnapshot(test.database, (sql) => {
      asking = sql.unsafe('select 1').then(() => sql.unsafe('select 2'));
      return Promise.reject(GONE);
    });
    await expect(reading).rejects.toBe(GONE);
    await expect(asking).rejects.toThrow('the transaction is over');
  });

  it('fails at once while it waits for the database, and leaves nothing behind', async () => {
    const writer = await test.database.writer.connect();
    await writer.query('begin');
    await writer.query('lock table tailrace.series in access exclusive mode');
    const leavers = Array.from({ length: 30 }, () => new AbortController());
    const readings = leavers.map(({ signal }) =>
      readSnapshot(
        test.database,
        (sql) => sql.unsafe('select count(*) from tailrace.series'),
        signal,
      ).catch((cause: unknown) => cause),
    );
    await delay(50);
    for (const leaver of leavers) leaver.abort(GONE);
    expect(new Set(await Promise.all(readings))).toEqual(new Set([GONE]));
    await writer.query('rollback');
    writer.release();
    await everyConnectionWorks();
  });
});

// The embedded engine cannot end what it runs.
if (isNative) {
  describe('on a server', () => {
    it.each([
      ['the only statement', (sql: Reading) => sleep(sql, 30)],
      ['the second of two', (sql: Reading) => sleep(sql, 0).then(() => sleep(sql, 30))],
      [
        'several that were sent together',
        (sql: Reading) => Promise.all([sleep(sql, 0.02), sleep(sql, 30), sleep(sql, 30)]),
      ],
    ])('ends %s within 100 ms', async (_name, work) => {
      const leave = new AbortController();
      const reading = readSnapshot<unknown>(test.database, work, leave.signal);
      await eventually(running, (count) => count === 1);
      leave.abort(GONE);
      const since = performance.now();
      await expect(reading).rejects.toBe(GONE);
      while ((await running()) > 0) await delay(2);
      expect(performance.now() - since).toBeLessThan(isBusy() ? 1_000 : 100);
      await everyConnectionWorks();
    });

    it('harms nobody else on the same connections', async () => {
      const bystanders = new AbortController();
      const seen: unknown[] = [];
      const others = Array.from({ length: 4 }, async () => {
        while (!bystanders.signal.aborted) {
          await readSnapshot(test.database, (sql) => sleep(sql, 0.003)).then(
            () => seen.push('good'),
            (cause: unknown) => seen.push(cause),
          );
        }
      });
      for (let round = 0; round < 60; round += 1) {
        const leavers = Array.from({ length: 8 }, async (_, i) => {
          const leave = new AbortController();
          const reading = readSnapshot(
            test.database,
            async (sql) => {
              await Promise.all([sleep(sql, 0.002), sleep(sql, 0.001)]);
              await sleep(sql, 0.002);
            },
            leave.signal,
          );
          const timer = setTimeout(() => leave.abort(GONE), (round + i * 3) % 12);
          const outcome = await reading.catch((cause: unknown) => cause);
          clearTimeout(timer);
          expect([undefined, GONE]).toContain(outcome);
        });
        await Promise.all(leavers);
      }
      bystanders.abort();
      await Promise.all(others);
      expect(new Set(seen)).toEqual(new Set(['good']));
      await everyConnectionWorks();
    });

    it.each(['while a statement runs', 'between two statements'])(
      'a connection that is lost %s ends neither the process nor the pool',
      async (when) => {
        const between = when.startsWith('between');
        const lost = readSnapshot(test.database, async (sql) => {
          const [row] = await sleep(sql, 0);
          const end = () =>
            test.database.writer.query('select pg_terminate_backend($1)', [row?.pid]);
          if (!between) {
            const running = sleep(sql, 30);
            await Promise.all([end(), running]);
          }
          await end();
          await delay(100);
          return sql.unsafe('select 1');
        });
        await expect(lost).rejects.toMatchObject({
          code: expect.stringMatching(/CONNECTION|57P01|ECONNRESET|EPIPE/),
        });
        await delay(50);
        await everyConnectionWorks();
      },
    );
  });
}

/** CI and shared machines: what took 20 ms may take ten times as long. */
function isBusy(): boolean {
  return process.env.TEST_STRICT_TIMES !== 'yes';
}
