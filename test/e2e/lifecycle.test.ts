// Starting, stopping and starting again, with devices that go on publishing meanwhile.
import mqtt from 'mqtt';
import { expect, test } from 'vitest';
import { freePort } from '../mosquitto.ts';
import { eventually, issueToken, startProgram, withDataDir } from '../program.ts';

interface RawRange {
  readonly series: readonly {
    readonly channel: string;
    readonly t: number[];
    readonly v: number[];
  }[];
}

async function rawPoints(httpUrl: string, token: string, series: string): Promise<RawRange> {
  const query = new URLSearchParams({
    series,
    start: '0',
    end: 'now',
    points: 'raw',
    limit: '100000',
  });
  query.set('end', String(Math.ceil(Date.now() / 1000) + 3600));
  const response = await fetch(`${httpUrl}/v1/range?${query}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(response.status, await response.clone().text()).toBe(200);
  return (await response.json()) as RawRange;
}

test('SIGTERM under load acknowledges nothing that a second start does not have', async () => {
  await withDataDir(async (dataDir) => {
    const acknowledged = new Set<number>();
    const baseMs = Date.now() - 600_000;
    const env = { MQTT_ANONYMOUS: 'loopback' };
    const first = await startProgram({ dataDir, env, isFirstStart: true });
    const device = await mqtt.connectAsync(first.mqttUrl ?? '', { reconnectPeriod: 0 });
    const sent = (async () => {
      for (let i = 0; device.connected && i < 200_000; i++) {
        const payload = JSON.stringify({ ts: baseMs + i, value: i });
        device.publish('t/acme/rig-1/load', payload, { qos: 1 }, (error) => {
          if (error === undefined || error === null) acknowledged.add(i);
        });
        if (i % 200 === 199) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await eventually(
      async () => acknowledged.size,
      (size) => size > 500,
    );
    expect(await first.end('SIGTERM')).toBe(0);
    await sent;
    device.end(true);

    const second = await startProgram({ dataDir });
    try {
      const token = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
      const answer = await rawPoints(second.httpUrl, token, 'rig-1/load');
      const stored = new Set(answer.series[0]?.v ?? []);
      const lost = [...acknowledged].filter((i) => !stored.has(i));
      expect(lost).toEqual([]);
    } finally {
      expect(await second.end('SIGTERM')).toBe(0);
    }
  });
});

test('a second process on the same folder is refused and told who holds it', async () => {
  await withDataDir(async (dataDir) => {
    const holder = await startProgram({ dataDir });
    try {
      await expect(startProgram({ dataDir })).rejects.toThrow(String(holder.process.pid));
    } finally {
      expect(await holder.end('SIGINT')).toBe(0);
    }
  });
});

test('a taken port ends the process with a sentence that names it', async () => {
  await withDataDir(async (dataDir) => {
    // A chosen port: one that the system chose would not be shared anyway.
    const port = String(await freePort());
    const holder = await startProgram({ dataDir, env: { HTTP_PORT: port } });
    try {
      await withDataDir(async (other) => {
        await expect(startProgram({ dataDir: other, env: { HTTP_PORT: port } })).rejects.toThrow(
          port,
        );
      });
    } finally {
      await holder.end();
    }
  });
});
