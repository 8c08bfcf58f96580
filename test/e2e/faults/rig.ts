// A plant to break things in: a device that publishes numbered points at full rate, mosquitto, the program, and a
// database in a process of its own; on the ways between them a tap that reads the acknowledgements, and a line that can
// be cut.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../../lib/errors.ts';
import { type DatabaseLine, startDatabaseLine } from '../../database-line.ts';
import {
  type DatabaseProcess,
  startDatabaseProcess,
  useDatabaseServer,
} from '../../database-process.ts';
import { type Device, type DeviceOptions, startDevice } from '../../device.ts';
import { type Mosquitto, type MosquittoOptions, startMosquitto } from '../../mosquitto.ts';
import { type MqttTap, startMqttTap, type TapOptions } from '../../mqtt-tap.ts';
import { eventually, type Program, startProgram } from '../../program.ts';
import {
  expectAllStored,
  expectCalm,
  expectEndedInPeace,
  expectPromisesKept,
  type Point,
  readAccount,
  readReadiness,
} from './oracles.ts';

const CHANNELS = 20;
/** How long anything may take on two cores that others use too. */
export const PATIENCE_MS = 120_000;
/** For a test: several of these waits. */
export const TEST_MS = 300_000;
const LOG_LINES_SHOWN = 20;

export interface RigOptions {
  readonly broker?: MosquittoOptions;
  readonly tap?: Partial<TapOptions>;
  /** Of the program. */
  readonly env?: Record<string, string>;
  /**
   * The database is one that the test kills or fills up, so never the server at DATABASE_URL: embedded, in a folder of
   * its own or in this one.
   */
  readonly ownDatabase?: true | { readonly dataDir: string };
  /** What the device publishes; numbered points of some channels unless given. */
  readonly message?: DeviceOptions['message'];
  readonly pointOf?: (number: number) => Point;
}

interface Plant {
  readonly broker: Mosquitto;
  readonly tap: MqttTap;
  readonly line: DatabaseLine;
  readonly database: DatabaseProcess;
  readonly device: Device;
  readonly dataDir: string;
  readonly pointOf: (number: number) => Point;
  start(): Promise<Program>;
}

export interface Rig extends Plant {
  /** The one that runs now, or ran last. */
  readonly program: Program;
  /** Starts another program, the one before having ended, and waits until it receives. */
  restart(): Promise<void>;
  /** Waits until messages come in: before there is a session the broker keeps nothing for it. */
  receiving(): Promise<void>;
  /** Lets the device publish so many more, and waits until the program has acknowledged some of them. */
  underWay(messages: number): Promise<void>;
  /** Waits until everything that the device may publish is acknowledged, to it and by the program. */
  settled(): Promise<void>;
  /** Sees that what the program has acknowledged is in the table, and nothing twice or wrong; gives what is there. */
  check(): Promise<Set<number>>;
  /** Tells the program to end, and sees that it does so in peace. */
  end(): Promise<void>;
  /** Settled: all of it is in the table, the account adds up, and the program ends in peace. */
  finish(): Promise<void>;
}

/** Runs `use` in a rig of its own, and takes it down. */
export async function withRig(
  options: RigOptions,
  use: (rig: Rig) => Promise<void>,
): Promise<void> {
  const { rig, close } = await openRig(options);
  try {
    await use(rig);
  } catch (cause) {
    // A failure tells what the program had to say.
    const lines = rig.program.log.slice(-LOG_LINES_SHOWN).map((line) => JSON.stringify(line));
    throw new Error([messageOf(cause), ...lines].join('\n'), { cause });
  } finally {
    await close();
  }
}

/** Builds a rig for several tests, which take it down together. */
export async function openRig(
  options: RigOptions,
): Promise<{ readonly rig: Rig; close(): Promise<void> }> {
  const ends: (() => unknown)[] = [];
  const owned: Own = (part, end) => {
    ends.push(() => end(part));
    return part;
  };
  const close = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const dataDir = owned(await mkdtemp(join(tmpdir(), 'tailrace-')), (folder) =>
      rm(folder, { recursive: true, force: true }),
    );
    return { rig: await startRig(await buildPlant(options, dataDir, owned)), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

type Own = <T>(part: T, end: (part: T) => unknown) => T;

async function buildPlant(options: RigOptions, dataDir: string, owned: Own): Promise<Plant> {
  const pointOf = options.pointOf ?? numberedPoints();
  const message = (number: number) => {
    const { channel, ts, value } = pointOf(number);
    return { topic: `t/acme/rig/${channel}`, payload: `{"ts":${ts},"value":${value}}` };
  };
  const numberOf = (payload: string) => (JSON.parse(payload) as Point).value;
  const broker = owned(await startMosquitto(options.broker), (b) => b.remove());
  const database = owned(await openDatabase(options), (d) => d.remove());
  const line = owned(await startDatabaseLine(database.url), (l) => l.close());
  const tap = owned(
    await startMqttTap({ port: broker.port, number: numberOf, ...options.tap }),
    (t) => t.close(),
  );
  const device = owned(
    startDevice({ port: broker.port, message: options.message ?? message }),
    (d) => d.close(),
  );
  const env = {
    DATABASE_URL: line.url,
    MQTT_URL: `mqtt://127.0.0.1:${tap.port}`,
    MQTT_CLIENT_ID: 'tailrace-faults',
    ...options.env,
  };
  const start = async () => owned(await startProgram({ dataDir, env }), (p) => p.end('SIGKILL'));
  return { broker, tap, line, database, device, dataDir, pointOf, start };
}

function openDatabase({ ownDatabase }: RigOptions): Promise<DatabaseProcess> {
  const server = process.env.DATABASE_URL ?? '';
  if (server !== '' && ownDatabase === undefined) return useDatabaseServer();
  return startDatabaseProcess(ownDatabase === true ? undefined : ownDatabase?.dataDir);
}

/** Points of some channels, a millisecond apart in each, from an hour ago. */
function numberedPoints(): (number: number) => Point {
  const baseMs = Math.floor(Date.now() / 1000) * 1000 - 3_600_000;
  return (number) => ({
    channel: `c${number % CHANNELS}`,
    ts: baseMs + Math.floor(number / CHANNELS),
    value: number,
  });
}

async function startRig(plant: Plant): Promise<Rig> {
  const { device, tap, database, pointOf } = plant;
  let program = await plant.start();
  const rig: Rig = {
    ...plant,
    get program() {
      return program;
    },
    async restart() {
      program = await plant.start();
      await rig.receiving();
    },
    async receiving() {
      await eventually(
        () => readReadiness(program),
        ({ parts }) => parts.broker?.ok === true,
        PATIENCE_MS,
      );
    },
    async underWay(messages) {
      const before = tap.acknowledged.size;
      device.allow(messages);
      await eventually(
        async () => tap.acknowledged.size,
        (size) => size > before,
        PATIENCE_MS,
      );
    },
    async settled() {
      await eventually(
        async () => [device.acknowledged.size, tap.acknowledged.size],
        (sizes) => sizes.every((size) => size === device.allowed()),
        PATIENCE_MS,
      );
    },
    check: () => expectPromisesKept(tap, database.url, pointOf),
    async end() {
      await readAccount(program);
      expectCalm(program);
      await program.end('SIGTERM');
      expectEndedInPeace(program);
    },
    async finish() {
      await rig.settled();
      expectAllStored(await rig.check(), device.allowed());
      await rig.end();
    },
  };
  await rig.receiving();
  return rig;
}
