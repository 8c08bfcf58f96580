// Killed between COMMIT, feed and acknowledgement, with a feed that other processes follow: where points are in the table
// and not in the feed, the next process of the deployment says so before anything else.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { FeedRecord } from '../../../lib/feed/feed.ts';
import { openRedisStream } from '../../../lib/feed/redis-stream.ts';
import { createLog } from '../../../lib/log.ts';
import { createMetrics } from '../../../lib/metrics.ts';
import { startEmbeddedDatabase } from '../../../sql/embedded/engine.ts';
import { type Device, startDevice } from '../../device.ts';
import { freePort } from '../../mosquitto.ts';
import { eventually, prepareDataDir, startProgram, withDataDir } from '../../program.ts';
import { startRedis, type TestRedis } from '../../redis.ts';
import { withClient } from './oracles.ts';

const CHILD = fileURLToPath(new URL('../../crash-child.mjs', import.meta.url));
const POINTS = ['after_commit', 'after_feed', 'after_acknowledgement'] as const;
const MESSAGES = 3_000;
const log = createLog('silent');

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis('port');
});
afterAll(() => redis.stop());

/** Hears what another process would. */
async function startFollower() {
  const feed = await openRedisStream({ url: redis.url, log, metrics: createMetrics() });
  onTestFinished(() => feed.stop());
  const told: FeedRecord[] = [];
  feed.follow((record) => told.push(record));
  const values = () =>
    new Set(told.flatMap((record) => (record.kind === 'readings' ? [...record.values] : [])));
  /** Waits until it has heard of all that is in the log. */
  const caughtUp = async () => {
    const { offset } = await feed.position();
    await eventually(
      async () => told.at(-1)?.position.offset ?? 0,
      (heard) => heard >= offset,
    );
  };
  return { told, values, caughtUp };
}

/** Runs the ingesting half until it kills itself. */
async function runUntilKilled(env: Record<string, string>, onReady: () => void): Promise<void> {
  const { PATH, HOME, TMPDIR } = process.env;
  const child = spawn(process.execPath, [CHILD], {
    env: { PATH, HOME, TMPDIR, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  onReady();
  await ended;
  expect(child.signalCode).toBe('SIGKILL');
}

/** Asks the database that a process has left. */
async function leftBehind<T>(dataDir: string, statement: string): Promise<T[]> {
  const engine = await startEmbeddedDatabase({ dataDir, log });
  try {
    return await withClient(engine.url, async (client) => {
      const { rows } = await client.query<{ value: T }>(statement);
      return rows.map(({ value }) => value);
    });
  } finally {
    await engine.stop();
  }
}

function startNumbers(port: number): Device {
  const baseMs = Date.now() - 3_600_000;
  const device = startDevice({
    port,
    message: (number) => ({
      topic: `t/acme/rig/c${number % 20}`,
      payload: JSON.stringify({ ts: baseMs + Math.floor(number / 20), value: number }),
    }),
  });
  onTestFinished(() => device.close());
  return device;
}

it('whoever follows the feed is told of a gap before the next record', async () => {
  await withDataDir(async (dataDir) => {
    await prepareDataDir(dataDir);
    const port = await freePort();
    const env = { MQTT_PORT: String(port), REDIS_URL: redis.url };
    const { told, values, caughtUp } = await startFollower();
    const device = startNumbers(port);
    const expectGapAt = async (index: number) => {
      await eventually(
        async () => told.length,
        (count) => count > index,
      );
      expect(told[index]?.kind).toBe('gap');
    };
    for (const [i, point] of POINTS.entries()) {
      const before = told.length;
      const crash = { DATA_DIR: dataDir, CRASH_AT: point, CRASH_AFTER: '2' };
      await runUntilKilled({ ...env, ...crash }, () => device.allow(MESSAGES));
      await caughtUp();
      if (i > 0) await expectGapAt(before);
      if (point !== 'after_commit') continue;
      const known = values();
      const stored = await leftBehind<number>(dataDir, 'select value from tailrace.reading');
      expect(stored.filter((value) => !known.has(value)).length).toBeGreaterThan(0);
    }
    const before = told.length;
    const program = await startProgram({ dataDir, env: { ...env, MQTT_ANONYMOUS: 'loopback' } });
    onTestFinished(() => void program.process.kill('SIGKILL'));
    await expectGapAt(before);
    await eventually(
      async () => values().size,
      (count) => count === POINTS.length * MESSAGES,
    );
    expect(await program.end('SIGTERM')).toBe(0);
    // Who ends in peace leaves nothing to be told.
    expect(await leftBehind(dataDir, 'select id as value from tailrace.feed_writer')).toEqual([]);
  });
});
