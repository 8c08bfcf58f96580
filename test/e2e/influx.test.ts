// Influx's own client for version 2, and the protocol of version 1 as Telegraf speaks it, against the program as it is.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { HttpError, InfluxDB, Point, setLogger } from '@influxdata/influxdb-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, issueToken, type Program, startProgram, withDataDir } from '../program.ts';

const TS = Date.UTC(2026, 5, 1, 12);

let dataDir: string;
let program: Program;
let device: string;
let operator: string;

beforeAll(async () => {
  setLogger({ error: () => undefined, warn: () => undefined });
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-'));
  program = await startProgram({ dataDir });
  device = await issueToken(dataDir, { tenant: 'acme', role: 'device', claim: 'assets=["rig-1"]' });
  operator = await issueToken(dataDir, { tenant: 'acme', role: 'operator' });
});

afterAll(async () => {
  const status = await program.end();
  await rm(dataDir, { recursive: true, force: true });
  expect(status).toBe(0);
});

/** Raw points of a channel: labels, ms since TS, value. */
async function pointsOf(asset: string, channel: string): Promise<unknown[][]> {
  const span = `start=${TS / 1_000}&end=${TS / 1_000 + 3_600}`;
  const match = encodeURIComponent(`{asset="${asset}",channel="${channel}"}`);
  const response = await fetch(`${program.httpUrl}/v1/range?match=${match}&${span}&points=raw`, {
    headers: { authorization: `Bearer ${operator}` },
  });
  const { series } = (await response.json()) as {
    series: { labels: object; t: number[]; v: unknown[] }[];
  };
  return series.flatMap(({ labels, t, v }) => t.map((ms, i) => [labels, ms - TS, v[i]]));
}

describe("Influx's client for version 2", () => {
  const options = { minRetryDelay: 10, maxRetryDelay: 50, retryJitter: 1, flushInterval: 0 };

  it('writes points in batches, compressed, with tags as labels', async () => {
    const client = new InfluxDB({ url: program.httpUrl, token: device });
    const api = client.getWriteApi('any-org', 'rig-1', 'ms', {
      ...{ ...options, batchSize: 40, gzipThreshold: 0 },
      defaultTags: { site: 'north sea' },
    });
    for (let i = 0; i < 100; i++) {
      const point = new Point('mud').tag('pump', '=2, a').floatField('flow', i / 2);
      api.writePoint(point.stringField('state', 'on "high"').timestamp(TS + i));
    }
    await api.close();
    const labels = { pump: '=2, a', site: 'north sea' };
    expect(await pointsOf('rig-1', 'mud/flow')).toEqual(
      Array.from({ length: 100 }, (_, i) => [labels, i, i / 2]),
    );
    expect((await pointsOf('rig-1', 'mud/state')).at(-1)).toEqual([labels, 99, 'on "high"']);
  });

  it.each(['ns', 'us', 'ms', 's'] as const)('writes times in %s', async (unit) => {
    const client = new InfluxDB({ url: program.httpUrl, token: device });
    const api = client.getWriteApi('', `rig-1/in/${unit}`, unit, options);
    const scale = { ns: '000000', us: '000', ms: '', s: '' }[unit];
    const time = unit === 's' ? String(TS / 1_000) : `${TS}${scale}`;
    api.writePoint(new Point('m').intField('v', 7).booleanField('ok', true).timestamp(time));
    await api.close();
    expect(await pointsOf('rig-1', `in/${unit}/m/v`)).toEqual([[{}, 0, 7]]);
    expect(await pointsOf('rig-1', `in/${unit}/m/ok`)).toEqual([[{}, 0, 'true']]);
  });

  it('comes again when it is told to, and loses nothing', async () => {
    await withDataDir(async (folder) => {
      const env = { LIMIT_SUBJECT_REQUESTS_PER_S: '2' };
      const busy = await startProgram({ dataDir: folder, env });
      const token = await issueToken(folder, { tenant: 'acme', role: 'operator' });
      const refused: unknown[] = [];
      const client = new InfluxDB({ url: busy.httpUrl, token });
      const api = client.getWriteApi('', 'rig-1', 'ms', {
        // It takes Retry-After for milliseconds.
        ...{ ...options, batchSize: 1, maxRetries: 1_000, retryJitter: 50 },
        writeFailed: (error) => {
          refused.push(error instanceof HttpError ? error.statusCode : error);
        },
      });
      for (let i = 0; i < 5; i++) {
        api.writePoint(new Point('retry').floatField('v', i).timestamp(TS + i));
      }
      const inserted = async () => {
        const text = await (await fetch(`${busy.httpUrl}/metrics`)).text();
        return /readings_total\{outcome="inserted"\} (\d+)/.exec(text)?.[1];
      };
      await eventually(inserted, (count) => count === '5', 60_000);
      await api.close();
      expect(new Set(refused)).toEqual(new Set([429]));
      expect(await busy.end()).toBe(0);
    });
  });

  it.each([
    ['what it may not write', 'rig-2', 'm v=1', 403, 'forbidden', 'rig-2 is not among'],
    ['what cannot be read', 'rig-1', 'no line at all', 400, undefined, undefined],
  ])('shows why %s is refused', async (_what, bucket, line, status, code, text) => {
    const failures: HttpError[] = [];
    const api = new InfluxDB({ url: program.httpUrl, token: device }).getWriteApi(
      '',
      bucket,
      'ns',
      {
        ...{ ...options, maxRetries: 0 },
        writeFailed: (error) => void failures.push(error as HttpError),
      },
    );
    api.writeRecord(line);
    await api.close().catch(() => undefined);
    const [failure] = failures;
    expect(failure).toBeInstanceOf(HttpError);
    expect(failure?.statusCode).toBe(status);
    if (code !== undefined) expect(failure?.code).toBe(code);
    expect(failure?.message).toContain(text ?? '');
    expect(failure?.message).not.toContain('{');
  });
});

describe("Telegraf's output for version 1", () => {
  const basic = () => ({ authorization: `Basic ${btoa(`telegraf:${device}`)}` });
  const post = (
    path: string,
    headers: Record<string, string>,
    body: string | Uint8Array<ArrayBuffer>,
  ) =>
    fetch(`${program.httpUrl}${path}`, {
      method: 'POST',
      headers: { ...basic(), ...headers },
      body,
    });

  it('creates its database, and writes what is compressed', async () => {
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const q = new URLSearchParams({ q: 'CREATE DATABASE "rig-1"' });
    const created = await post('/query', form, q.toString());
    expect([created.status, await created.json()]).toEqual([
      200,
      { results: [{ statement_id: 0 }] },
    ]);
    const lines =
      `cpu,cpu=cpu-total,host=gateway\\ 7 usage_idle=98.5,usage_user=1i ${TS}000000\n` +
      `mem,host=gateway\\ 7 used_percent=41.25 ${TS}000000\n`;
    const headers = {
      ...{ 'content-type': 'text/plain; charset=utf-8', 'content-encoding': 'gzip' },
      'user-agent': 'Telegraf/1.37.0 Go/1.26.0',
    };
    const body = new Uint8Array(gzipSync(lines));
    const written = await post('/write?consistency=any&db=rig-1&precision=ns', headers, body);
    expect([written.status, await written.text()]).toEqual([204, '']);
    const labels = { cpu: 'cpu-total', host: 'gateway 7' };
    expect(await pointsOf('rig-1', 'cpu/usage_idle')).toEqual([[labels, 0, 98.5]]);
    expect(await pointsOf('rig-1', 'cpu/usage_user')).toEqual([[labels, 0, 1]]);
  });

  it('is told in `error` what is wrong', async () => {
    const refused = await post('/write?db=rig-2', {}, 'm v=1');
    expect(refused.status).toBe(403);
    const { error } = (await refused.json()) as { error: string };
    expect(error).toContain('rig-2 is not among');
  });
});
