// Several ingesters share the messages of one broker: what the broker took from a device comes to the table, once,
// whichever of them ends meanwhile, in peace or not.

import pg from 'pg';
import { afterEach, expect, it } from 'vitest';
import { driverOptions } from '../../sql/connection.ts';
import { openTestDatabase, type TestDatabase } from '../database.ts';
import { type Device, startDevice } from '../device.ts';
import { type Mosquitto, startMosquitto } from '../mosquitto.ts';
import { eventually, type Program, startProgram, withDataDir } from '../program.ts';
import { startRedis } from '../redis.ts';

const CHANNELS = 50;
const WAVE = 4_000;
const PATIENCE_MS = 90_000;

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function owned<T>(part: T, end: (part: T) => Promise<unknown>): T {
  ends.push(() => end(part));
  return part;
}

interface Plant {
  readonly broker: Mosquitto;
  readonly database: TestDatabase;
  readonly device: Device;
  /** Starts an ingester of the group, with the id that it finds for itself. */
  ingester(): Promise<Program>;
}

async function openPlant(dataDir: string): Promise<Plant> {
  const broker = owned(await startMosquitto(), (b) => b.remove());
  const redis = owned(await startRedis('port'), (r) => r.stop());
  const database = owned(await openTestDatabase(), (d) => d.dispose());
  const baseMs = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
  const device = startDevice({
    port: broker.port,
    message: (number) => ({
      topic: `t/acme/rig/c${number % CHANNELS}`,
      payload: `{"ts":${baseMs + Math.floor(number / CHANNELS)},"value":${number}}`,
    }),
  });
  owned(device, async () => device.close());
  const env = {
    DATABASE_URL: database.url,
    MQTT_URL: broker.url,
    REDIS_URL: redis.url,
    MQTT_SHARE_GROUP: 'ingesters',
    INGEST_HTTP_PORT: '0',
  };
  return {
    broker,
    database,
    device,
    async ingester() {
      const program = await startProgram({ command: 'ingest', dataDir, env });
      owned(program, (p) => p.end('SIGKILL'));
      const subscribed = ({ msg }: { msg: string }) => msg === 'MQTT: subscribed';
      await eventually(async () => program.log.some(subscribed), Boolean, PATIENCE_MS);
      return program;
    },
  };
}

/** How many rows the table has, and how many different numbers of the device. */
async function stored({ url }: TestDatabase): Promise<{ rows: number; numbers: number }> {
  const client = new pg.Client(driverOptions(url).pg);
  await client.connect();
  try {
    const { rows } = await client.query<{ rows: number; numbers: number }>(
      'select count(*)::int4 as rows, count(distinct value)::int4 as numbers from tailrace.reading',
    );
    return rows[0] as { rows: number; numbers: number };
  } finally {
    await client.end();
  }
}

/** Lets the device publish, and resolves when some of it is in the table. */
async function underLoad({ device, database }: Plant): Promise<void> {
  const before = (await stored(database)).rows;
  device.allow(WAVE);
  await eventually(
    () => stored(database),
    ({ rows }) => rows > before,
    PATIENCE_MS,
  );
}

async function expectAllStored({ device, database }: Plant, messages: number): Promise<void> {
  await eventually(
    async () => device.acknowledged.size,
    (size) => size === messages,
    PATIENCE_MS,
  );
  const all = { rows: messages, numbers: messages };
  const last = await eventually(
    () => stored(database),
    ({ rows }) => rows >= messages,
    PATIENCE_MS,
  );
  expect(last).toEqual(all);
}

/** An ingester alone says how it is, and nothing else. */
async function expectProbesAlone(httpUrl: string): Promise<void> {
  const statusOf = async (path: string) => (await fetch(`${httpUrl}${path}`)).status;
  await eventually(
    () => statusOf('/readyz'),
    (status) => status === 200,
    PATIENCE_MS,
  );
  expect(await statusOf('/healthz')).toBe(200);
  for (const path of ['/', '/v1/series', '/v1/dead-letters', '/v1/write', '/openapi.json']) {
    expect(await statusOf(path), path).toBe(404);
  }
}

/** The readings of a process by what became of them; sees that they add up. */
async function readAccount(program: Program): Promise<Record<string, number>> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const counts = text.matchAll(/^tailrace_ingest_readings_total\{outcome="(\w+)"\} (\d+)$/gm);
  const { received, ...outcomes } = Object.fromEntries(
    [...counts].map(([, outcome, count]) => [outcome as string, Number(count)]),
  );
  const inFlight = Number(/^tailrace_ingest_in_flight (\d+)$/m.exec(text)?.[1]);
  const sum = Object.values(outcomes).reduce((total, count) => total + count, inFlight);
  expect(sum, JSON.stringify(outcomes)).toBe(received);
  return { ...outcomes, inFlight };
}

it('ends one in peace and kills one, under load, and loses and doubles nothing', async () => {
  await withDataDir(async (dataDir) => {
    const plant = await openPlant(dataDir);
    const members = await Promise.all([plant.ingester(), plant.ingester()]);
    for (const { httpUrl } of members) await expectProbesAlone(httpUrl);
    let messages = 0;
    for (const [index, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
      const member = members[index] as Program;
      await underLoad(plant);
      messages += WAVE;
      await readAccount(member);
      expect(await member.end(signal)).toBe(signal === 'SIGTERM' ? 0 : null);
      // What it had not acknowledged waits for the next one of its id, and is given to nobody else.
      members[index] = await plant.ingester();
    }
    await underLoad(plant);
    messages += WAVE;
    await expectAllStored(plant, messages);
    for (const member of members) {
      const account = await eventually(
        () => readAccount(member),
        ({ inFlight }) => inFlight === 0,
      );
      expect(account).toMatchObject({ corrected: 0, dead_lettered: 0, ignored: 0 });
      expect(account.inserted).toBeGreaterThan(0);
      expect(await member.end('SIGTERM')).toBe(0);
    }
  });
}, 240_000);
