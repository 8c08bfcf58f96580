// Nothing acknowledged is lost, whenever the process is killed: at full rate in a loop, and at the points between
// COMMIT, feed and acknowledgement; with mosquitto, and with the embedded broker. Each loop kills twice; KILLS=20 does so
// longer by hand.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLog } from '../../../lib/log.ts';
import { embeddedUrl, startEmbeddedDatabase } from '../../../sql/embedded/engine.ts';
import { type Device, startDevice } from '../../device.ts';
import { freePort, startMosquitto } from '../../mosquitto.ts';
import { eventually, prepareDataDir, startProgram, withDataDir } from '../../program.ts';
import { withClient } from './oracles.ts';

const CHILD = fileURLToPath(new URL('../../crash-child.mjs', import.meta.url));
const CHANNELS = 20;
const MESSAGES_PER_RUN = 8_000;
/** Of each loop; mosquitto restarts after the first. */
const KILLS = Number(process.env.KILLS ?? 2);
const DRAIN_MAX_MS = 60_000;

/** A device with a point of its own for every number, spread over channels and milliseconds. */
function startRig(port: number): Device {
  const baseMs = Date.now() - 3_600_000;
  return startDevice({
    port,
    message: (number) => ({
      topic: `t/acme/rig/c${number % CHANNELS}`,
      payload: JSON.stringify({ ts: baseMs + Math.floor(number / CHANNELS), value: number }),
    }),
  });
}

/** Waits until everything that the device may publish is acknowledged. */
async function allAcknowledged(device: Device, messages: number): Promise<void> {
  await eventually(
    async () => device.acknowledged.size,
    (size) => size === messages,
    DRAIN_MAX_MS,
  );
}

async function storedCount(url: string): Promise<number> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ n: number }>(
      'select count(*)::int4 as n from tailrace.reading',
    );
    return rows[0]?.n ?? 0;
  });
}

/** The values that stand in the table of a database. */
async function storedValues(url: string): Promise<Set<number>> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ value: number }>('select value from tailrace.reading');
    const values = new Set(rows.map(({ value }) => value));
    expect(values.size, 'a reading is stored twice').toBe(rows.length);
    return values;
  });
}

/** Waits until so many readings are stored, and sees that they are all of them. */
async function allStored(dataDir: string, messages: number): Promise<void> {
  const url = embeddedUrl(dataDir);
  await eventually(
    () => storedCount(url),
    (count) => count === messages,
    DRAIN_MAX_MS,
  );
  expect((await storedValues(url)).size).toBe(messages);
}

/** As `storedValues`, of a data folder that no process has open. */
async function leftBehind(dataDir: string): Promise<Set<number>> {
  const engine = await startEmbeddedDatabase({ dataDir, log: createLog('silent') });
  try {
    return await storedValues(engine.url);
  } finally {
    await engine.stop();
  }
}

function missing(expected: Iterable<number>, stored: ReadonlySet<number>): number[] {
  return [...expected].filter((number) => !stored.has(number));
}

/** Starts the program, lets the device publish, and kills the program at a random moment while it stores. */
async function runAndKill(
  device: Device,
  dataDir: string,
  env: Record<string, string>,
): Promise<void> {
  const program = await startProgram({ dataDir, env });
  try {
    if (env.MQTT_URL !== undefined) {
      // Before there is a session mosquitto would keep nothing for it.
      await eventually(
        async () => program.log.some(({ msg }) => msg === 'MQTT: subscribed'),
        (subscribed) => subscribed,
      );
    }
    const url = embeddedUrl(dataDir);
    const before = await storedCount(url);
    const acknowledgedBefore = device.acknowledged.size;
    device.allow(MESSAGES_PER_RUN);
    await eventually(
      async () => (device.acknowledged.size > acknowledgedBefore ? storedCount(url) : 0),
      (count) => count > before,
    );
    await setTimeout(Math.random() * 300);
  } finally {
    await program.end('SIGKILL');
  }
}

/** Starts the program for `use`, and ends it in peace. */
async function runToTheEnd(
  dataDir: string,
  env: Record<string, string>,
  use: () => Promise<void>,
): Promise<void> {
  const program = await startProgram({ dataDir, env });
  let status: number | null = null;
  try {
    await use();
  } finally {
    status = await program.end('SIGTERM');
  }
  expect(status).toBe(0);
}

// Each starts the program several times; a start takes seconds where the machine is busy.
describe('kill -9 in a loop at full rate', { timeout: 120_000 + KILLS * 60_000 }, () => {
  it('loses nothing with the embedded broker and a device that sends again', async () => {
    const port = await freePort();
    const env = { MQTT_PORT: String(port), MQTT_ANONYMOUS: 'loopback' };
    const device = startRig(port);
    try {
      await withDataDir(async (dataDir) => {
        for (let kill = 0; kill < KILLS; kill++) {
          await runAndKill(device, dataDir, env);
          expect(device.acknowledged.size).toBeGreaterThan(0);
          expect(missing(device.acknowledged, await leftBehind(dataDir))).toEqual([]);
        }
        const messages = KILLS * MESSAGES_PER_RUN;
        await runToTheEnd(dataDir, env, () => allAcknowledged(device, messages));
        const stored = await leftBehind(dataDir);
        expect(stored.size).toBe(messages);
      });
    } finally {
      device.close();
    }
  });

  it('loses nothing with mosquitto, which restarts meanwhile too', async () => {
    const broker = await startMosquitto({ persistence: true });
    const device = startRig(broker.port);
    try {
      await withDataDir(async (dataDir) => {
        const env = { MQTT_URL: broker.url, MQTT_CLIENT_ID: 'tailrace-durability' };
        await runAndKill(device, dataDir, env);
        await broker.stop();
        await broker.start();
        for (let kill = 1; kill < KILLS; kill++) await runAndKill(device, dataDir, env);
        await runToTheEnd(dataDir, env, async () => {
          await broker.stop();
          await broker.start();
          await allAcknowledged(device, KILLS * MESSAGES_PER_RUN);
          await allStored(dataDir, KILLS * MESSAGES_PER_RUN);
        });
      });
    } finally {
      device.close();
      await broker.remove();
    }
  });
});

describe('killed between two steps', { timeout: 240_000 }, () => {
  /** So many that each run has a fourth batch. */
  const MESSAGES = 20_000;
  const POINTS = ['after_commit', 'after_feed', 'after_acknowledgement'] as const;

  /** Starts the ingesting half; resolves when it serves. */
  async function startChild(env: Record<string, string>): Promise<ChildProcess> {
    const { PATH, HOME, TMPDIR } = process.env;
    const child = spawn(process.execPath, [CHILD], {
      env: { PATH, HOME, TMPDIR, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // Also where the test gave up on it.
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit').then(() => Promise.reject(new Error('it did not start')));
    await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    ended.catch(() => {});
    return child;
  }

  it.each(['embedded broker', 'mosquitto'] as const)(
    'after COMMIT, after the feed, after the acknowledgement, it loses nothing: %s',
    async (kind) => {
      const broker = kind === 'mosquitto' ? await startMosquitto() : undefined;
      const port = broker?.port ?? (await freePort());
      const source = broker === undefined ? { MQTT_PORT: String(port) } : { MQTT_URL: broker.url };
      const device = startRig(port);
      const messages = POINTS.length * MESSAGES;
      try {
        await withDataDir(async (dataDir) => {
          await prepareDataDir(dataDir);
          for (const [index, point] of POINTS.entries()) {
            const child = await startChild({
              ...source,
              DATA_DIR: dataDir,
              CRASH_AT: point,
              CRASH_AFTER: String(2 + index),
            });
            device.allow(MESSAGES);
            if (child.signalCode === null) await once(child, 'exit');
            expect(child.signalCode).toBe('SIGKILL');
            if (kind === 'mosquitto') continue;
            expect(missing(device.acknowledged, await leftBehind(dataDir))).toEqual([]);
          }
          const child = await startChild({ ...source, DATA_DIR: dataDir });
          try {
            await allAcknowledged(device, messages);
            await allStored(dataDir, messages);
          } finally {
            child.kill('SIGKILL');
            await once(child, 'exit');
          }
        });
      } finally {
        device.close();
        await broker?.remove();
      }
    },
  );
});
