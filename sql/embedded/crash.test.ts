// What kill -9 leaves: everything that was committed, a database that opens, and a directory that is free.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { makeMigratedDataDir } from '../../test/database.ts';
import { openDatabase } from '../connection.ts';
import { startEmbeddedDatabase } from './engine.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const log = createLog('silent');

let dataDir: string;
let children: ChildProcess[];

beforeEach(async () => {
  dataDir = await makeMigratedDataDir();
  children = [];
});

afterEach(async () => {
  await Promise.all(children.map(kill));
  rmSync(dataDir, { recursive: true, force: true });
});

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

/** A process that opens the database and runs `work`, a piece of program that has `client` and says lines. */
function start(work: string): { child: ChildProcess; line(): Promise<string> } {
  const program = `
    import pg from 'pg';
    import { createLog } from './dist/lib/log.js';
    import { driverOptions } from './dist/sql/connection.js';
    import { startEmbeddedDatabase } from './dist/sql/embedded/engine.js';
    const say = (line) => process.stdout.write(line + '\\n');
    const options = { dataDir: ${JSON.stringify(dataDir)}, log: createLog('silent') };
    const engine = await startEmbeddedDatabase(options).catch((error) => {
      say(error.code);
      process.exit();
    });
    const client = new pg.Client(driverOptions(engine.url).pg);
    await client.connect();
    ${work}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    child,
    async line() {
      const next = await lines.next();
      if (next.done === true) throw new Error('the process ended early');
      return next.value;
    },
  };
}

async function query(...statements: string[]): Promise<Record<string, unknown>[]> {
  const engine = await startEmbeddedDatabase({ dataDir, log });
  const database = await openDatabase({ url: engine.url, embedded: true, log });
  try {
    let rows: Record<string, unknown>[] = [];
    for (const statement of statements) rows = (await database.writer.query(statement)).rows;
    return rows;
  } finally {
    await database.stop();
    await engine.stop();
  }
}

test('every commit that was acknowledged before kill -9 is there, over several crashes', async () => {
  // Writes batches of 1,000 readings for ever; says how many there were at first, then the last number of each batch.
  const ingest = `
    const { rows } = await client.query('select count(*)::int as n from tailrace.reading');
    say(String(rows[0].n));
    for (let last = rows[0].n; ; ) {
      await client.query('begin');
      await client.query(\`insert into tailrace.reading (series_id, time, value)
        select 1, timestamptz '2026-01-01' + i * interval '1 second', i
        from generate_series(\${last + 1}, \${last + 1000}) i\`);
      await client.query('commit');
      last += 1000;
      say(String(last));
    }`;
  let acknowledged = 0;
  for (const commits of [3, 11]) {
    const { child, line } = start(ingest);
    const found = Number(await line());
    expect(found).toBeGreaterThanOrEqual(acknowledged);
    expect(found % 1000).toBe(0);
    for (let i = 0; i < commits; i++) acknowledged = Number(await line());
    await kill(child);
  }
  const [row] = await query(
    'select count(*)::int as n, max(value)::int as last from tailrace.reading',
  );
  expect(row!.n).toBeGreaterThanOrEqual(acknowledged);
  expect(row!.last).toBe(row!.n);
});

test('compressed, killed and opened again: the count is right, and late rows go in', async () => {
  const { child, line } = start(`
    await client.query(\`insert into tailrace.reading (series_id, time, value)
      select s, t, 1 from generate_series(1, 3) s,
        generate_series(timestamptz '2026-01-01', '2026-01-02 23:59', '1 minute') t\`);
    await client.query("select compress_chunk(c) from show_chunks('tailrace.reading') c");
    say('compressed');
    setInterval(() => {}, 1000);`);
  expect(await line()).toBe('compressed');
  await kill(child);
  const rows = await query(
    `insert into tailrace.reading (series_id, time, value) values (4, '2026-01-01 12:00', 1)`,
    `select count(*)::int as n,
      (select count(*)::int from timescaledb_information.chunks
        where hypertable_name = 'reading' and is_compressed) as compressed
      from tailrace.reading`,
  );
  expect(rows).toEqual([{ n: 3 * 2880 + 1, compressed: 2 }]);
});

test('a second process is refused and told who holds the directory, which is free when that one is killed', async () => {
  const { child, line } = start(`say('open'); setInterval(() => {}, 1000);`);
  expect(await line()).toBe('open');
  await expect(startEmbeddedDatabase({ dataDir, log })).rejects.toMatchObject({
    code: 'database_in_use',
    message: expect.stringContaining(`process ${child.pid}`),
  });
  await kill(child);
  expect(await query('select 1 as one')).toEqual([{ one: 1 }]);
});

test('two processes that start at the same moment: one serves, the other is told of it', async () => {
  const both = [1, 2].map(() => start(`say('open'); setInterval(() => {}, 1000);`));
  const said = await Promise.all(both.map(({ line }) => line()));
  expect(said.sort()).toEqual(['database_in_use', 'open']);
});
