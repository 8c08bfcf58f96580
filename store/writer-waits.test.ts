// What the writer does where no answer comes: another transaction holds a key, or nothing gets through the line any more.
// It says so, and goes on by itself.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { driverOptions, openDatabase } from '../sql/connection.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { startProxy } from '../test/proxy.ts';
import { batchOf, createTestSeries } from './testing.ts';
import { createWriter, type Writer, type WriterOptions } from './writer.ts';

const log = createLog('silent');
const WAIT = { timeout: 30_000 };
/** A day of its own for each test. */
let T = 1_700_006_400_000_000;

let opened: TestDatabase;

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, 100);
});
afterAll(() => opened.dispose());
beforeEach(() => {
  T += 86_400_000_000;
});

const at = (us: number) => `timestamptz 'epoch' + ${us} * interval '1 microsecond'`;
const rowsOf = (count: number) =>
  batchOf(Array.from({ length: count }, (_, i) => ({ id: 1 + (i % 100), t: T + i, v: i })));

async function stored(): Promise<number> {
  const { rows } = await opened.database.writer.query(
    `select count(*)::int4 as n from tailrace.reading where time >= ${at(T)}`,
  );
  return rows[0].n;
}

async function withWriter<R>(
  options: Pick<WriterOptions, 'database' | 'limits'>,
  use: (writer: Writer, text: () => Promise<string>) => Promise<R>,
): Promise<R> {
  const metrics = createMetrics();
  const writer = createWriter({ log, metrics, ...options });
  try {
    return await use(writer, metrics.exposition);
  } finally {
    await writer.stop();
  }
}

describe('a key that another transaction holds', () => {
  it('has the writer say that it is waiting, until that one is over', async () => {
    // Embedded, whoever is in a transaction has the one session there is.
    if (opened.database.embedded) return;
    const other = await opened.database.writer.connect();
    await other.query('begin');
    await other.query(`insert into tailrace.reading values (1, ${at(T)}, 1, 0)`);
    const limits = { slowMs: 50, deadlineMs: 60_000 };
    await withWriter({ database: opened.database, limits }, async (writer) => {
      const writing = writer.write(rowsOf(3));
      await expect.poll(() => writer.detail, WAIT).toBe('waiting (slow)');
      await other.query('rollback');
      expect(await writing).toMatchObject({ inserted: 3 });
      expect(writer.detail).toBe('writing');
    });
    other.release();
  });
});

describe('a line on which nothing gets through any more', () => {
  it('is given up at the deadline; what was written on it is written again, once', async () => {
    // Embedded there is no line to lose, and no deadline.
    if (opened.database.embedded) return;
    const { host = '', port = 5432, database: name } = driverOptions(opened.url).pg;
    const target = { host, port: Number(port) };
    // The connection that passes so many more bytes on is held still for good, open on both sides.
    let bytesLeft = Number.POSITIVE_INFINITY;
    const proxy = await startProxy(
      () => target,
      () => {
        let isLost = false;
        const passUnlessLost = (chunk: Buffer) => (isLost ? new Promise<Buffer>(() => {}) : chunk);
        return {
          up(chunk) {
            bytesLeft -= chunk.length;
            if (bytesLeft <= 0) {
              isLost = true;
              bytesLeft = Number.POSITIVE_INFINITY;
            }
            return passUnlessLost(chunk);
          },
          down: passUnlessLost,
        };
      },
    );
    const through = await openDatabase({
      url: `postgres://postgres@127.0.0.1:${proxy.port}/${name}`,
      embedded: false,
      log,
    });
    const limits = { slowMs: 100, deadlineMs: 500 };
    await withWriter({ database: through, limits }, async (writer, text) => {
      await writer.write(batchOf([{ id: 1, t: T - 1, v: 1 }]));
      bytesLeft = 40_000;
      const seen: string[] = [];
      const writing = writer.write(rowsOf(3_000));
      await expect.poll(() => seen.push(writer.detail) && seen, WAIT).toContain('waiting (slow)');
      // The server has seen no end of it, and holds the keys: as where a peer is gone.
      await expect.poll(text, WAIT).toMatch(/failures_total\{failure="unavailable"\} [1-9]/m);
      proxy.cut();
      expect(await writing).toMatchObject({ inserted: 3_000, duplicate: 0 });
      expect(await stored()).toBe(3_000);
    });
    await through.stop();
    await proxy.close();
  }, 120_000);

  it('is closed by the server, too, which is told so when it is connected to', async () => {
    if (opened.database.embedded) return;
    const { rows } = await opened.database.writer.query(
      "select name, setting from pg_settings where name ~ '^tcp_' order by name",
    );
    const isSocket = (driverOptions(opened.url).pg.host ?? '').startsWith('/');
    if (isSocket) return;
    expect(rows.map(({ name, setting }) => `${name}=${setting}`)).toEqual([
      'tcp_keepalives_count=3',
      'tcp_keepalives_idle=10',
      'tcp_keepalives_interval=5',
      'tcp_user_timeout=30000',
    ]);
  });
});
