// What tails are sent is charged like answers: a debt refuses what is asked for next, and live points flow on.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import { startTailServer, type TailServer } from '../../test/tail-server.ts';
import { amountsOf } from '../limits/amounts.ts';

const MINUTE_MS = 60_000;
const POINTS = 5_000;
/** The snapshot of all points would take minutes to pay for, so no test is too slow for it. */
const BYTES_PER_S = '1000';
const SNAPSHOT = { start: 'now-1d', points: 'raw' };

let tails: TailServer;
let nextMs = 0;

beforeAll(async () => {
  const limits = amountsOf(readConfig({ LIMIT_SUBJECT_BYTES_PER_S: BYTES_PER_S }));
  tails = await startTailServer({ limits });
  nextMs = tails.time.nowMs;
  const firstMs = nextMs - POINTS;
  const points = Array.from({ length: POINTS }, (_, i) => [firstMs + i, i / 7] as const);
  await tails.server.write('rig-1', 'spp', points);
});

afterAll(() => tails.stop());

const tokenOf = (sub: string) => tails.server.token({ claims: { sub } });
const headersOf = (bearer: string) => ({ authorization: `Bearer ${bearer}` });

async function writeOne() {
  nextMs += MINUTE_MS;
  const { id } = await tails.server.write('rig-1', 'spp', [[nextMs, 1]]);
  return [id, nextMs, 1];
}

/** What a request of this caller is told. */
async function told(bearer: string): Promise<unknown[]> {
  const answer = await fetch(`${tails.server.url}/v1/series`, { headers: headersOf(bearer) });
  const { limit } = (await answer.json()) as { limit?: string };
  return [answer.status, limit];
}

it('a snapshot is paid for before the next, and by requests; live points and a new token are not refused', async () => {
  const bearer = await tokenOf('ann');
  const client = await tails.connect(bearer);
  client.send({ type: 'subscribe', id: 'a', series: ['rig-1/spp'], snapshot: SNAPSHOT });
  await client.next('snapshot');
  for (const snapshot of [SNAPSHOT, undefined]) {
    client.send({ type: 'subscribe', id: 'b', series: ['rig-1/spp'], snapshot });
    const refused = await client.next('error');
    expect(refused).toMatchObject({ code: 'too_many_requests', limit: 'subject bytes' });
    expect(refused.retry_after_s).toBeGreaterThan(60);
  }
  expect(await told(bearer)).toEqual([429, 'subject bytes']);
  await expect(tails.connect(bearer)).rejects.toMatchObject({ status: 429 });
  const point = await writeOne();
  expect((await client.next('data')).points).toEqual([point]);
  client.send({ type: 'reauth', token: await tokenOf('ann') });
  await client.next('reauthed');
  client.send({ type: 'unsubscribe', id: 'a' });
  // Others have their own.
  expect((await told(await tokenOf('bob')))[0]).toBe(200);
});

it('of an event stream as well', async () => {
  const bearer = await tokenOf('cleo');
  const stream = await tails.stream('series=rig-1/spp&start=now-1d&points=raw', headersOf(bearer));
  await stream.next('snapshot');
  expect(await told(bearer)).toEqual([429, 'subject bytes']);
  const point = await writeOne();
  expect((await stream.next('data')).points).toEqual([point]);
});

it('frames that a client sends are charged as well', async () => {
  const bearer = await tokenOf('dan');
  const client = await tails.connect(bearer);
  const long = 'x'.repeat(50_000);
  for (let i = 0; i < 4; i += 1) client.send({ type: 'unsubscribe', id: long });
  for (let i = 0; i < 4; i += 1) expect((await client.next('error')).code).toBe('bad_frame');
  expect(await told(bearer)).toEqual([429, 'subject bytes']);
});
