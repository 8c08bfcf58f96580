// All in one process, killed in the middle of writes: charts that follow come back by themselves, and what they have
// assembled in the end is what a range says, late and corrected readings included.
import { expect, it, onTestFinished } from 'vitest';
import type { View } from '../../client/view.ts';
import { type Device, startDevice } from '../device.ts';
import { type FollowedTail, followTail } from '../followed-tail.ts';
import { freePort } from '../mosquitto.ts';
import { eventually, issueToken, type Program, startProgram, withDataDir } from '../program.ts';

const WAVE = 3_000;
const KILLS = 3;
const CHANNELS = 6;
const BASE_MS = Math.floor(Date.now() / 1_000) * 1_000 - 3_600_000;
const SNAPSHOT = {
  start: new Date(BASE_MS).toISOString(),
  end: new Date(BASE_MS + 3_600_000).toISOString(),
  ...{ points: 'raw', limit: 100_000 },
};
const MATCH = '{asset="rig"}';

type Lines = Readonly<Record<number, readonly (readonly [t: number, v: unknown])[]>>;

/** Every tenth is late, every seventh corrects what was said before. */
function messageOf(number: number): { topic: string; payload: string } {
  const at = number % 10 === 0 ? number / 2 : number % 7 === 0 ? number - 7 * CHANNELS : number;
  const ts = BASE_MS + Math.max(0, Math.floor(at / CHANNELS));
  return {
    topic: `t/acme/rig/c${number % CHANNELS}`,
    payload: JSON.stringify({ ts, value: number }),
  };
}

function linesOf(view: View): Lines {
  return Object.fromEntries(
    view.seriesIds.map((id) => [id, view.points(id).map(({ t, v }) => [t, v] as const)]),
  );
}

async function rangeOf(httpUrl: string, token: string): Promise<Lines> {
  const query = new URLSearchParams({ match: MATCH });
  for (const [name, value] of Object.entries(SNAPSHOT)) query.set(name, String(value));
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${httpUrl}/v1/range?${query}`, { headers });
  const { series } = (await response.json()) as {
    series: readonly { id: number; t: readonly number[]; v: readonly number[] }[];
  };
  return Object.fromEntries(series.map(({ id, t, v }) => [id, t.map((at, i) => [at, v[i]])]));
}

/** Kills the program when a part of the wave is acknowledged. */
async function killAmid(program: Program, device: Device): Promise<void> {
  const before = device.acknowledged.size;
  device.allow(WAVE);
  await eventually(
    async () => device.acknowledged.size,
    (size) => size > before + WAVE / 4,
  );
  await program.end('SIGKILL');
}

function snapshotsOf({ frames }: FollowedTail): number {
  return frames.filter(({ type }) => type === 'snapshot').length;
}

it('a chart that follows is whole again each time', async () => {
  await withDataDir(async (dataDir) => {
    const [port, httpPort] = [await freePort(), await freePort()];
    const env = { MQTT_PORT: `${port}`, HTTP_PORT: `${httpPort}`, MQTT_ANONYMOUS: 'loopback' };
    const start = async () => {
      const program = await startProgram({ dataDir, env });
      onTestFinished(() => void program.process.kill('SIGKILL'));
      return program;
    };
    let program = await start();
    const device = startDevice({ port, message: messageOf });
    onTestFinished(() => device.close());
    const token = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
    const url = program.httpUrl;
    const follow = () => followTail({ url, token: () => token, match: MATCH, snapshot: SNAPSHOT });
    const followers = [follow(), follow()];
    await eventually(
      async () => followers.map(snapshotsOf),
      (counts) => counts.every((count) => count > 0),
    );
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = followers.map(snapshotsOf);
      await killAmid(program, device);
      program = await start();
      for (const { tail } of followers) tail.retry();
      followers.push(follow());
      // Another log, in which no cursor of theirs counts: each gets its history anew.
      await eventually(
        async () => followers.map((one, i) => snapshotsOf(one) - (before[i] ?? 0)),
        (more) => more.every((count) => count > 0),
      );
    }
    device.allow(WAVE);
    await eventually(
      async () => device.acknowledged.size,
      (size) => size === device.allowed(),
    );
    const range = await rangeOf(url, token);
    for (const { view } of followers) {
      await eventually(
        async () => linesOf(view),
        (lines) => JSON.stringify(lines) === JSON.stringify(range),
      );
    }
    expect(Object.keys(range)).toHaveLength(CHANNELS);
    await program.end('SIGKILL');
  });
});
