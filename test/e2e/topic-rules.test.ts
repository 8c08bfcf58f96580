// A file of topic rules, from a device's message to what an API client sees, changed while the program runs.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { expect, it } from 'vitest';
import { startMosquitto } from '../mosquitto.ts';
import {
  eventually,
  issueToken,
  type Program,
  runCommand,
  startProgram,
  withDataDir,
} from '../program.ts';

const RULES = `
rules:
  - topic: plants/+/heartbeat
    drop: true
  - topic: plants/{site}/{asset}/{channel...}
    tenant: acme
    asset: "{site}-{asset}"
    labels: { site: "{site}", source: opc }
    unit: bar
    units: { flow: m3/h }
`;

interface SeriesEntry {
  readonly asset: string;
  readonly channel: string;
}

async function get<T>(program: Program, token: string, path: string): Promise<T> {
  const answer = await fetch(`${program.httpUrl}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as T;
}

async function seriesOf(program: Program, token: string): Promise<readonly SeriesEntry[]> {
  const { series } = await get<{ series: SeriesEntry[] }>(program, token, '/v1/series');
  return series.sort((a, b) => (`${a.asset}/${a.channel}` < `${b.asset}/${b.channel}` ? -1 : 1));
}

async function ignored(program: Program): Promise<number> {
  const text = await (await fetch(`${program.httpUrl}/metrics`)).text();
  return Number(/_readings_total\{outcome="ignored"\} (\d+)/.exec(text)?.[1]);
}

/** What `/readyz` says of the rules. */
async function rulesPart(program: Program): Promise<string> {
  const answer = await fetch(`${program.httpUrl}/readyz`);
  const { parts } = (await answer.json()) as { parts: { topic_rules: { detail: string } } };
  return parts.topic_rules.detail;
}

it.each(['embedded broker', 'mosquitto'] as const)(
  'gives series their names, labels and units, drops, and follows the file: %s',
  async (kind) => {
    await withDataDir(async (dataDir) => {
      const broker = kind === 'mosquitto' ? await startMosquitto() : undefined;
      const path = join(dataDir, 'rules.yaml');
      await writeFile(path, RULES);
      const source = broker === undefined ? {} : { MQTT_URL: broker.url, MQTT_CLIENT_ID: 'rules' };
      const program = await startProgram({ dataDir, env: { TOPIC_RULES: path, ...source } });
      try {
        await useRules(program, path, broker?.url ?? program.mqttUrl ?? '');
      } finally {
        await program.end();
        await broker?.remove();
      }
    });
  },
  120_000,
);

async function useRules(program: Program, path: string, url: string): Promise<void> {
  const { dataDir } = program;
  const viewer = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
  const password = await issueToken(dataDir, { tenant: 'acme', role: 'device' });
  const device = await mqtt.connectAsync(url, { username: 'device', password });
  const publish = (topic: string, payload: string) =>
    device.publishAsync(topic, payload, { qos: 1 });
  try {
    await eventually(
      async () => (await fetch(`${program.httpUrl}/readyz`)).status,
      (status) => status === 200,
    );
    expect(await rulesPart(program)).toBe('2 of a file');
    await publish('plants/oslo/heartbeat', 'anything');
    await publish('plants/oslo/pump/inlet', '{"pressure":3.5,"flow":12,"state":"on"}');
    await publish('t/acme/rig/load', '7');
    const labels = { site: 'oslo', source: 'opc' };
    const pump = { asset: 'oslo-pump', labels, index: 'time' };
    const series = await eventually(
      () => seriesOf(program, viewer),
      (some) => some.length === 4,
    );
    expect(series).toMatchObject([
      { ...pump, channel: 'inlet/flow', unit: 'm3/h', kind: 'number' },
      { ...pump, channel: 'inlet/pressure', unit: 'bar', kind: 'number' },
      { ...pump, channel: 'inlet/state', unit: 'bar', kind: 'state' },
      { asset: 'rig', channel: 'load', labels: {}, unit: null, kind: 'number' },
    ]);
    expect(await ignored(program)).toBe(1);

    await writeFile(path, 'rules: [{ topic: "a/{b" }]');
    await eventually(
      () => rulesPart(program),
      (detail) => detail === '2 of a file, as before (topic_rules_invalid)',
    );
    await publish('plants/oslo/pump/outlet', '1');

    await writeFile(path, RULES.replace('plants/{site}', 'works/{site}'));
    await eventually(
      () => rulesPart(program),
      (detail) => detail === '2 of a file',
    );
    const renewed = await eventually(
      async () => {
        await publish('works/oslo/pump/inlet', '1');
        return await seriesOf(program, viewer);
      },
      (some) => some.length === 6,
    );
    expect(renewed.map(({ channel }) => channel)).toEqual([
      ...['inlet', 'inlet/flow', 'inlet/pressure', 'inlet/state', 'outlet', 'load'],
    ]);
  } finally {
    await device.endAsync(true);
  }
}

it('the doctor says which rule takes a topic and what a payload gives', async () => {
  await withDataDir(async (dataDir) => {
    const rules = join(dataDir, 'rules.yaml');
    const good = join(dataDir, 'good.json');
    const mixed = join(dataDir, 'mixed.json');
    await writeFile(rules, RULES);
    await writeFile(good, '{"ts":"2026-01-02T03:04:05.000006Z","flow":1.5,"gone":null}');
    await writeFile(mixed, '{"flow":1.5,"deep":{"er":{"est":1}}}');
    const doctor = (...args: string[]) =>
      runCommand(['doctor', 'topic', ...args], { TOPIC_RULES: rules, DATA_DIR: dataDir });

    const [text, json, usage] = await Promise.all([
      doctor('plants/oslo/pump/inlet', good),
      doctor('plants/oslo/pump/inlet', mixed, '--json'),
      doctor('plants/#'),
    ]);
    expect(text.status).toBe(0);
    for (const part of [`${rules}:5`, 'oslo-pump', '2026-01-02T03:04:05.000006Z', '1.5 m3/h']) {
      expect(text.stdout).toContain(part);
    }
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ...{ taken: true, rule: `${rules}:5`, tenant: 'acme', asset: 'oslo-pump', channel: 'inlet' },
      labels: { site: 'oslo', source: 'opc' },
      readings: [{ key: 'flow', channel: 'inlet/flow', unit: 'm3/h', v: 1.5, q: 0 }],
      faults: [{ code: 'value_nested' }],
    });
    expect(usage.status).toBe(2);

    await writeFile(rules, 'rules:\n  - topic: a/{b\n    tenent: x\n');
    const env = { TOPIC_RULES: rules, DATA_DIR: dataDir };
    const [start, all] = await Promise.all([
      runCommand(['start'], env),
      runCommand(['doctor', '--json'], { ...env, DATA_DIR: join(dataDir, 'other') }),
    ]);
    expect(start.status).toBe(1);
    expect(start.stderr).toContain(`${rules}:2:14: `);
    expect(start.stderr).toContain(`${rules}:3:5: `);
    const findings = JSON.parse(all.stdout) as { check: string; ok: boolean }[];
    expect(findings.find(({ check }) => check === 'topic rules')?.ok).toBe(false);
  });
}, 120_000);
