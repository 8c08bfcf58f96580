// What has to hold after every fault: the account of readings adds up, what was acknowledged is in the table, no reading
// stands there twice or wrong, and the process neither ended nor lost its temper.
import pg from 'pg';
import { expect } from 'vitest';
import { driverOptions } from '../../../sql/connection.ts';
import type { MqttTap } from '../../mqtt-tap.ts';
import type { Program } from '../../program.ts';

export interface Account {
  readonly received: number;
  readonly inserted: number;
  readonly duplicate: number;
  readonly corrected: number;
  readonly deadLettered: number;
  readonly ignored: number;
  readonly inFlight: number;
}

interface Readiness {
  readonly status: number;
  readonly parts: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

/** A numbered point, as the rig's device publishes it. */
export interface Point {
  readonly channel: string;
  /** ms since 1970. */
  readonly ts: number;
  readonly value: number;
}

/** One metric's value; undefined where it is not there. */
export async function readMetric(program: Program, name: string): Promise<number | undefined> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const found = text.split('\n').find((line) => line.startsWith(`${name} `));
  return found === undefined ? undefined : Number(found.slice(name.length));
}

/** Reads the account of a process, and sees that it adds up. */
export async function readAccount(program: Program): Promise<Account> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const count = (outcome: string) =>
    Number(text.match(`tailrace_ingest_readings_total\\{outcome="${outcome}"\\} (\\d+)`)?.[1] ?? 0);
  const account = {
    received: count('received'),
    inserted: count('inserted'),
    duplicate: count('duplicate'),
    corrected: count('corrected'),
    deadLettered: count('dead_lettered'),
    ignored: count('ignored'),
    inFlight: Number(text.match(/^tailrace_ingest_in_flight (\d+)$/m)?.[1]),
  };
  const { received, ...places } = account;
  const sum = Object.values(places).reduce((total, readings) => total + readings, 0);
  expect(sum, JSON.stringify(account)).toBe(received);
  return account;
}

/** What `/readyz` says, part by part. */
export async function readReadiness(program: Program): Promise<Readiness> {
  const answer = await fetch(`${program.httpUrl}/readyz`);
  const { parts } = (await answer.json()) as Pick<Readiness, 'parts'>;
  return { status: answer.status, parts };
}

/** Gives a connection to `use` and closes it. */
export async function withClient<T>(
  url: string,
  use: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client(driverOptions(url).pg);
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

const POINTS = `
select value as number, channel, date_part('epoch', time) * 1000 as ts
from tailrace.reading as r join tailrace.series as s on s.id = r.series_id where asset = 'rig'`;

/** The numbers of the rig's points that stand in the table: each of them once, in its place. */
async function storedNumbers(
  url: string,
  pointOf: (number: number) => Point,
): Promise<Set<number>> {
  return await withClient(url, async (client) => {
    const { rows } = await client.query<{ number: number; channel: string; ts: number }>(POINTS);
    const stored = new Set<number>();
    for (const { number, channel, ts } of rows) {
      const point = pointOf(number);
      if (channel !== point.channel || Math.round(ts) !== point.ts) {
        expect({ number, channel, ts }, 'a reading with a value of another').toEqual(point);
      }
      stored.add(number);
    }
    expect(stored.size, 'a reading is stored twice').toBe(rows.length);
    return stored;
  });
}

/**
 * Everything that the program acknowledged is in the table, and it acknowledged nothing that it should not have. Gives
 * back what is in the table.
 */
export async function expectPromisesKept(
  tap: Pick<MqttTap, 'acknowledged' | 'violations'>,
  url: string,
  pointOf: (number: number) => Point,
): Promise<Set<number>> {
  const acknowledged = [...tap.acknowledged];
  const stored = await storedNumbers(url, pointOf);
  const lost = acknowledged.filter((number) => !stored.has(number));
  expect(lost, 'acknowledged, and not in the table').toEqual([]);
  expect(tap.violations).toEqual([]);
  return stored;
}

/** All numbers below `count` are in the table. */
export function expectAllStored(stored: ReadonlySet<number>, count: number): void {
  const absent = Array.from({ length: count }, (_, number) => number).filter((n) => !stored.has(n));
  expect(absent, 'not in the table').toEqual([]);
}

const UNCALM = /unhandled|uncaught|MaxListeners|a mistake of the program/i;

/** The process still runs, and nothing in its log says that something went where nobody had looked for it. */
export function expectCalm(program: Program): void {
  expect(program.process.exitCode, 'the process ended by itself').toBe(null);
  expect(program.process.signalCode).toBe(null);
  const lines = program.log.filter((line) => UNCALM.test(JSON.stringify(line)));
  expect(lines).toEqual([]);
  expect(program.log.filter(({ level }) => level === 60)).toEqual([]);
}

/** It did all that it does on stopping, and said so. */
export function expectEndedInPeace(program: Program): void {
  expect(program.process.exitCode).toBe(0);
  expect(program.log.at(-1)?.msg).toBe('stopped');
}
