// What devices send becomes rows, by either source: every payload form, and an account of readings that balances.
import mqtt, { type MqttClient } from 'mqtt';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { driverOptions } from '../../sql/connection.ts';
import { embeddedUrl } from '../../sql/embedded/engine.ts';
import { startMosquitto } from '../mosquitto.ts';
import { eventually, type Program, startProgram, withDataDir } from '../program.ts';

const TS = Date.UTC(2026, 5, 1);

/** Topic, payload, and the rows that it becomes: channel, ms since TS, value(, quality). */
const MESSAGES: readonly (readonly [string, string, readonly (readonly unknown[])[]])[] = [
  ['point', `{"ts":${TS},"value":1.5,"q":192}`, [['point', 0, 1.5, 192]]],
  ['aliases', `{"timestamp":"2026-06-01T00:00:00.001Z","v":"-2e3"}`, [['aliases', 1, -2000, 0]]],
  ['state', `{"t":${TS + 2},"v":"drilling"}`, [['state', 2, 'drilling', 0]]],
  ['pump', `{"time":${(TS + 3) * 1000},"value":true}`, [['pump', 3, 'true', 0]]],
  [
    'mud/flow',
    `{"ts":${TS},"in":1,"out":NaN,"valve":"open"}`,
    [
      ['mud/flow/in', 0, 1, 0],
      ['mud/flow/valve', 0, 'open', 0],
    ],
  ],
  ['values', `{"ts":${TS},"values":{"a":1,"b":null}}`, [['values/a', 0, 1, 0]]],
  [
    'list',
    `[{"ts":${TS},"value":1},{"ts":${TS + 0.5},"value":2},{"ts":${TS + 1},"x":3}]`,
    [
      ['list', 0, 1, 0],
      ['list', 0.5, 2, 0],
      ['list/x', 1, 3, 0],
    ],
  ],
  [
    'partly',
    `[{"ts":${TS},"value":1},{"ts":0,"value":2},{"ts":0,"value":3}]`,
    [['partly', 0, 1, 0]],
  ],
];

const ROWS = `
select channel, round(date_part('epoch', time) * 1e6)::int8 - $1::int8 as us, value, quality from (
  select series_id, time, to_jsonb(value) as value, quality from tailrace.reading
  union all
  select series_id, time, to_jsonb(value), quality from tailrace.state_reading) as r
join tailrace.series as s on s.id = r.series_id
where tenant = 'acme' and asset = 'rig' order by channel, us`;

async function storedRows(dataDir: string): Promise<unknown[][]> {
  const client = new pg.Client(driverOptions(embeddedUrl(dataDir)).pg);
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(ROWS, [TS * 1000]);
    return rows.map((row) => [row.channel, Number(row.us) / 1000, row.value, row.quality]);
  } finally {
    await client.end();
  }
}

/** The account, from the metrics; checks that it balances. */
async function account(program: Program): Promise<Record<string, number>> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  const counts: Record<string, number> = {};
  for (const [, outcome, count] of text.matchAll(
    /tailrace_ingest_readings_total\{outcome="(\w+)"\} (\d+)/g,
  )) {
    counts[outcome as string] = Number(count);
  }
  const { received, ...settled } = counts;
  const inFlight = Number(/^tailrace_ingest_in_flight (\d+)$/m.exec(text)?.[1]);
  const sum = Object.values(settled).reduce((total, count) => total + count, 0);
  expect(sum + inFlight).toBe(received);
  return { ...counts, inFlight };
}

/** A reading stands in the table when its PUBACK comes. */
async function expectStoredWhenAcknowledged(device: MqttClient, dataDir: string): Promise<void> {
  for (let i = 0; i < 10; i++) {
    await device.publishAsync('t/acme/rig/zz', `{"ts":${TS + i},"value":${i}}`, { qos: 1 });
    expect((await storedRows(dataDir)).at(-1)).toEqual(['zz', i, i, 0]);
  }
}

describe.each(['the embedded broker', 'mosquitto'] as const)('through %s', (kind) => {
  it('stores every payload form once, however often it is sent, and accounts for all', async () => {
    const broker = kind === 'mosquitto' ? await startMosquitto() : undefined;
    try {
      await withDataDir(async (dataDir) => {
        const program = await startProgram({
          dataDir,
          env: broker === undefined ? { MQTT_ANONYMOUS: 'loopback' } : { MQTT_URL: broker.url },
        });
        try {
          await eventually(
            async () =>
              broker === undefined || program.log.some(({ msg }) => msg === 'MQTT: subscribed'),
            (subscribed) => subscribed,
          );
          const device = await mqtt.connectAsync(broker?.url ?? program.mqttUrl ?? '');
          for (const qos of [0, 1, 2, 1] as const) {
            for (const [channel, payload] of MESSAGES) {
              await device.publishAsync(`t/acme/rig/${channel}`, payload, { qos });
            }
          }
          // 8 messages of 15 readings: 11 that become rows, 2 ignored, 2 of 1970.
          const settled = await eventually(
            () => account(program),
            (counts) => counts.received === 60 && counts.inFlight === 0,
          );
          expect(settled).toMatchObject({ inserted: 11, duplicate: 33, corrected: 0, ignored: 8 });
          expect(settled.dead_lettered).toBe(8);
          const expected = MESSAGES.flatMap(([, , rows]) => rows.map((row) => [...row]));
          expected.sort((a, b) => String(a[0]).localeCompare(String(b[0])));
          expect(await storedRows(dataDir)).toEqual(expected);
          // A broker outside acknowledges by itself.
          if (broker === undefined) await expectStoredWhenAcknowledged(device, dataDir);
          await device.endAsync();
        } finally {
          await program.end();
        }
      });
    } finally {
      await broker?.remove();
    }
  });
});
