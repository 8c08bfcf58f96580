// What follows a tail in a real Chromium, in a page of another origin: the client as a plain module, and EventSource.
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type BrowserOrigin, startBrowserOrigin } from '../test/browser-origin.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { startProxy, type TcpProxy } from '../test/proxy.ts';
import { startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2);
const DAY = { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' };

let browser: BrowserOrigin;
let database: TestDatabase;
let server: TestQueryServer;
let proxy: TcpProxy;
let url: string;

beforeAll(async () => {
  browser = await startBrowserOrigin();
  database = await openTestDatabase();
  server = await startTestQueryServer({
    database: database.database,
    corsOrigins: [browser.origin],
  });
  proxy = await startProxy(() => ({ host: '127.0.0.1', port: Number(new URL(server.url).port) }));
  url = `http://127.0.0.1:${proxy.port}`;
});

afterAll(async () => {
  await browser?.stop();
  await proxy?.close();
  await server?.stop();
  await database?.dispose();
  expect(browser.faults).toEqual([]);
});

let id: number;
beforeEach(async () => {
  ({ id } = await server.write('rig-1', 'spp', [[T0, 1]]));
});

const write = (t: number, value: number) => server.write('rig-1', 'spp', [[T0 + t, value]]);
const wordsOf = (text: string) => text.trim().split(/\s+/);

it('the client, by for await: history, what follows, and an end', async () => {
  const { outputFiles } = await build({
    entryPoints: [new URL('tail.ts', import.meta.url).pathname],
    ...{ bundle: true, format: 'esm', target: 'es2022', write: false },
  });
  const script = `
    import { tail } from './tail.js';
    const frames = tail({
      url: '${url}',
      token: () => '${await server.token()}',
      match: '{asset="rig-1"}',
      snapshot: ${JSON.stringify(DAY)},
    });
    for await (const frame of frames) {
      document.body.append(frame.type, ' ', JSON.stringify(frame.points) ?? '', ' ');
      if (frame.type === 'data') break;
    }
    document.body.append(frames.state.kind);`;
  const page = await browser.run(script, { 'tail.js': outputFiles[0]?.text ?? '' });
  const text = () => page.innerText('body');
  await eventually(text, (said) => said.includes('snapshot'));
  await write(1, 2);
  const said = await eventually(text, (all) => all.endsWith('ended'));
  const data = ['data', `[[${id},${T0 + 1},2]]`];
  expect(wordsOf(said)).toEqual(['subscribed', 'snapshot', ...data, 'ended']);
});

it('EventSource, by a ticket: comes back with the same ticket where it left off', async () => {
  const script = `
    const answer = await fetch('${url}/v1/tickets', {
      method: 'POST',
      headers: { authorization: 'Bearer ${await server.token()}' },
    });
    const { ticket } = await answer.json();
    const query = new URLSearchParams({ ticket, series: 'rig-1/spp', ...${JSON.stringify(DAY)} });
    const source = new EventSource('${url}/v1/tail?' + query);
    const tell = (text) => document.body.append(text, ' ');
    for (const type of ['subscribed', 'snapshot', 'data']) {
      source.addEventListener(type, ({ data }) => {
        const { recovered, points = [] } = JSON.parse(data);
        tell([type, recovered, ...points.map(([, , value]) => value)].join(':'));
      });
    }`;
  const page = await browser.run(script);
  const text = () => page.innerText('body');
  await eventually(text, (said) => said.includes('snapshot'));
  await write(2, 2);
  await eventually(text, (said) => said.includes('data::2'));
  proxy.refuse();
  await write(3, 3);
  proxy.accept();
  const said = await eventually(text, (all) => all.includes(':3'));
  expect(wordsOf(said)).toEqual([
    ...['subscribed:', 'snapshot:', 'data::2', 'subscribed:true', 'data::3'],
  ]);
});
