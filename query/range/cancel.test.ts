import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { eventually } from '../../test/program.ts';
import { readJson, startTestQueryServer, type TestQueryServer } from '../../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2, 3, 0, 0);
const isNative = process.env.DATABASE_URL !== undefined && process.env.DATABASE_URL !== '';

let test: TestDatabase;
let server: TestQueryServer;
let token: string;

beforeAll(async () => {
  test = await openTestDatabase();
  server = await startTestQueryServer({ database: test.database });
  token = await server.token();
  await server.write('rig-1', 'mud/spp', [
    [T0, 1],
    [T0 + 1_000, 5],
  ]);
});

afterAll(async () => {
  await server.stop();
  await test.dispose();
});

const DOMAIN = `start=${T0 / 1_000}&end=${T0 / 1_000 + 60}`;
const QUESTIONS = ['step=1s', 'points=raw', 'points=raw&format=csv', 'step=1s&agg=mean,twa,p50'];

function ask(question: string): Promise<Response> {
  return fetch(`${server.url}/v1/range?series=rig-1/mud/spp&${DOMAIN}&${question}`, {
    headers: { authorization: `Bearer ${token}` },
  });
}

/** Asks on a socket of its own, and hangs up when told to. */
function askAndLeave(question: string): () => void {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.write(
    `GET /v1/range?series=rig-1/mud/spp&${DOMAIN}&${question} HTTP/1.1\r\n` +
      `Host: ${hostname}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
  );
  return () => socket.destroy();
}

/** Nobody gets at the readings until the returned function is called. */
async function holdReadings(): Promise<() => Promise<void>> {
  const writer = await test.database.writer.connect();
  await writer.query('begin');
  await writer.query('lock table tailrace.reading in access exclusive mode');
  return async () => {
    await writer.query('rollback');
    writer.release();
  };
}

/** Statements of readers that wait for the table, as the server tells; embedded nothing can be asked meanwhile. */
async function waiting(): Promise<number> {
  const { rows } = await test.database.writer.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity
     where datname = current_database() and state = 'active' and wait_event_type = 'Lock'`,
  );
  return rows[0]?.count ?? 0;
}

async function answersWell(): Promise<void> {
  const max = test.database.reader.options.max;
  const answers = await Promise.all(Array.from({ length: max }, () => ask('step=1s')));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect((await readJson(answer)).series[0].first).toEqual([1, 5]);
  }
}

describe('a client that goes away', () => {
  if (isNative) {
    it.each(QUESTIONS)('ends its statements on a server within 100 ms: %s', async (question) => {
      const release = await holdReadings();
      const leave = askAndLeave(question);
      await eventually(waiting, (count) => count > 0);
      leave();
      const since = performance.now();
      while ((await waiting()) > 0) await delay(2);
      const tookMs = performance.now() - since;
      await release();
      expect(tookMs).toBeLessThan(1_000);
      if (process.env.TEST_STRICT_TIMES === 'yes') expect(tookMs).toBeLessThan(100);
      await answersWell();
    });
  } else {
    it.each(QUESTIONS)('leaves nothing queued at the embedded engine: %s', async (question) => {
      const release = await holdReadings();
      const leavers = Array.from({ length: 20 }, () => askAndLeave(question));
      await eventually(inFlight, (count) => count >= 20);
      for (const leave of leavers) leave();
      // Answered, to nobody, while the engine is still held: none of them waits for its turn.
      await eventually(inFlight, (count) => count <= 1);
      await release();
      await answersWell();
    });
  }
});

/** Requests that are being answered. */
async function inFlight(): Promise<number> {
  const text = await server.metrics.exposition();
  return Number(/^tailrace_requests_in_flight_size (\d+)$/m.exec(text)?.[1]);
}

describe('timeout', () => {
  it.each([
    ['100ms', 100],
    ['0.1', 100],
  ])('%s ends what takes longer, with 503', async (timeout, ms) => {
    const release = await holdReadings();
    const since = performance.now();
    const answer = await ask(`step=1s&timeout=${timeout}`);
    expect(performance.now() - since).toBeGreaterThanOrEqual(ms - 1);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await readJson(answer)).toMatchObject({ code: 'timeout' });
    if (isNative) await eventually(waiting, (count) => count === 0);
    await release();
    await answersWell();
  });

  it.each(['1', '5s', '1m', '7d'])('%s is time enough', async (timeout) => {
    expect((await ask(`step=1s&timeout=${timeout}`)).status).toBe(200);
  });

  it.each(['0', '0s', '-1', 'soon', '5 s', '1e3', '', ' '].filter((text) => text !== ''))(
    '%j is refused',
    async (timeout) => {
      const answer = await ask(`step=1s&timeout=${encodeURIComponent(timeout)}`);
      expect(answer.status).toBe(400);
      expect(await readJson(answer)).toMatchObject({ code: 'bad_parameter', parameter: 'timeout' });
    },
  );
});
