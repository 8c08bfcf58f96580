// Dead letters of a running program: listed, replayed and discarded by the command and over HTTP, over a kill.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { expect, test } from 'vitest';
import {
  eventually,
  issueToken,
  type Program,
  runCommand,
  startProgram,
  withDataDir,
} from '../program.ts';

interface Letter {
  readonly id: number;
  readonly topic: string;
  readonly code: string;
  readonly bytes: string;
  readonly replayed_at?: number;
  readonly outcome?: string;
}

type Messages = readonly (readonly [topic: string, payload: string | Buffer])[];

const ENV = { MQTT_ANONYMOUS: 'loopback' };

async function publish(program: Program, messages: Messages): Promise<void> {
  const client = await mqtt.connectAsync(program.mqttUrl ?? '', { reconnectPeriod: 0 });
  for (const [topic, payload] of messages) await client.publishAsync(topic, payload, { qos: 1 });
  await client.endAsync();
}

async function ask<T>(program: Program, token: string, path: string, method = 'GET'): Promise<T> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(program.httpUrl + path, { method, headers });
  expect(response.status).toBeLessThan(300);
  return (await response.json()) as T;
}

test('dead letters are listed alike by the command and over HTTP, and worked off while the program runs', async () => {
  await withDataDir(async (dataDir) => {
    const program = await startProgram({ dataDir, env: ENV });
    const letters = (args: string[]) =>
      runCommand(['dead-letters', ...args], { DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
    const json = async (args: string[]) => JSON.parse((await letters([...args, '--json'])).stdout);
    const bytes = Buffer.from([0, 1, 254, 255]);
    await publish(program, [
      ['t/acme/rig-1/flow', '1'],
      ['t/acme/rig-1/flow', 'nonsense'],
      ['t/acme/rig-1/flow', '"open"'],
      ['alone', '5'],
      ['t/zephyr/rig-1/flow', bytes],
    ]);
    const operator = await issueToken(dataDir, { tenant: 'acme', role: 'operator' });
    const list = (query: string) =>
      ask<{ dead_letters: Letter[] }>(program, operator, `/v1/dead-letters?${query}`);
    const own = await list('');
    expect(await json(['list', '--tenant', 'acme'])).toEqual(own);
    expect(own.dead_letters.map(({ code }) => code)).toEqual(['kind_changed', expect.anything()]);
    const all: Letter[] = (await json(['list'])).dead_letters;
    expect(all.map(({ topic }) => topic)).toEqual([
      't/zephyr/rig-1/flow',
      'alone',
      't/acme/rig-1/flow',
      't/acme/rig-1/flow',
    ]);
    expect(all[0]?.bytes).toBe(bytes.toString('base64'));
    const [zephyrs, alone, kind, nonsense] = all.map(({ id }) => String(id));
    expect((await letters(['list', '--code', 'no_rule', '--since', '1h'])).stdout).toContain(
      '"alone"',
    );
    expect((await letters(['show', zephyrs!])).stdout).toContain('00 01 fe ff');
    expect((await letters(['show', nonsense!])).stdout).toContain('\n\nnonsense\n');

    // Over HTTP, and by the command.
    const asked = await ask<Letter>(program, operator, `/v1/dead-letters/${kind}/replay`, 'POST');
    expect(asked.id).toBe(Number(kind));
    const { dead_letters: worked } = await eventually(
      () => list('replayed=true'),
      (answer) => answer.dead_letters.length > 0,
    );
    expect(worked).toMatchObject([{ id: Number(kind), outcome: 'dead_lettered' }]);
    const replay = await letters(['replay', nonsense!, alone!, '--wait', '--json']);
    expect([replay.status, JSON.parse(replay.stdout)]).toMatchObject([
      1,
      { letters: [{ outcome: 'dead_lettered' }, { code: 'no_rule', outcome: 'dead_lettered' }] },
    ]);
    const metrics = await (await fetch(`${program.httpUrl}/metrics`)).text();
    expect(metrics).toContain('tailrace_ingest_readings_total{outcome="dead_lettered"} 7');
    expect(metrics).toContain('tailrace_dead_letters_replayed_total{outcome="dead_lettered"} 3');

    expect((await letters(['discard', alone!, '999'])).status).toBe(1);
    expect((await letters(['discard', '--all', '--tenant', 'acme'])).status).toBe(2);
    expect(await json(['discard', '--all', '--tenant', 'acme', '--yes'])).toMatchObject({
      discarded: 2,
    });
    expect((await json(['list'])).dead_letters).toHaveLength(1);
    expect(await program.end()).toBe(0);
    // Without a running process, too.
    expect((await json(['list'])).dead_letters).toHaveLength(1);
    expect((await letters(['replay', zephyrs!])).stdout).toContain('1 letter');
  });
}, 180_000);

test('a replay that was asked for outlives a kill, and rules that came since are applied', async () => {
  await withDataDir(async (dataDir) => {
    const first = await startProgram({ dataDir, env: ENV });
    await publish(first, [['plant/rig-1/flow', '{"ts":1700000000,"value":2.5}']]);
    await first.end('SIGKILL');
    const letters = (args: string[]) =>
      runCommand(['dead-letters', ...args], { DATA_DIR: dataDir, LOG_LEVEL: 'warn' });
    expect((await letters(['replay', '--all'])).status).toBe(0);
    const rules = join(dataDir, 'rules.yaml');
    await writeFile(rules, 'rules:\n  - topic: plant/{asset}/{channel}\n    tenant: acme\n');
    const second = await startProgram({ dataDir, env: { ...ENV, TOPIC_RULES: rules } });
    const json = async () => JSON.parse((await letters(['list', '--json'])).stdout).dead_letters;
    expect(await eventually(json, ([one]) => one?.outcome !== undefined)).toMatchObject([
      { code: 'no_rule', outcome: 'inserted', outcomes: { inserted: 1 } },
    ]);
    const viewer = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
    expect(await ask(second, viewer, '/v1/latest?match={}')).toMatchObject({
      series: [{ asset: 'rig-1', channel: 'flow', t: 1_700_000_000_000, v: 2.5 }],
    });
    await second.end();
  });
}, 180_000);

test.each([
  [['list', '--limit', '0']],
  [['list', '--since', 'yesterday']],
  [['list', '--page', 'x']],
  [['show', 'x']],
  [['replay']],
  [['replay', '1', '--all']],
  [['discard', '--all']],
])('tailrace dead-letters %j is wrong usage', async (args) => {
  expect((await runCommand(['dead-letters', ...args], {})).status).toBe(2);
});
