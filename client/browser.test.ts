// The client as a plain module in a real Chromium, in a page of another origin.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { expect, it, onTestFinished } from 'vitest';
import { openTestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { startTestQueryServer } from '../test/query-server.ts';

const T0 = Date.UTC(2026, 0, 2);

const program = (url: string, token: string) => `
  import { tail } from './tail.js';
  const frames = tail({
    url: '${url}',
    token: () => '${token}',
    match: '{asset="rig-1"}',
    snapshot: { start: '2026-01-02T00:00:00Z', end: '2026-01-03T00:00:00Z', points: 'raw' },
  });
  for await (const frame of frames) {
    document.body.append(frame.type, ' ', JSON.stringify(frame.points ?? ''), ' ');
    if (frame.type === 'data') break;
  }
  document.body.append(frames.state.kind);
`;

async function serve(files: Readonly<Record<string, () => string>>): Promise<string> {
  const server = createServer((request, response) => {
    const text = files[request.url ?? '']?.();
    const type = request.url?.endsWith('.js') ? 'text/javascript' : 'text/html';
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': type }).end(text);
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('for await in a browser: history, what follows, and an end', async () => {
  const [bundle] = (
    await build({
      entryPoints: [new URL('tail.ts', import.meta.url).pathname],
      ...{ bundle: true, format: 'esm', target: 'es2022', write: false },
    })
  ).outputFiles;
  let script = '';
  const page = '<body><script type="module" src="/main.js"></script></body>';
  const files = { '/': () => page, '/main.js': () => script, '/tail.js': () => bundle?.text ?? '' };
  const origin = await serve(files);
  const own = await openTestDatabase();
  onTestFinished(() => own.dispose());
  const server = await startTestQueryServer({ database: own.database, corsOrigins: [origin] });
  onTestFinished(() => server.stop());
  const { id } = await server.write('rig-1', 'spp', [[T0, 1]]);
  script = program(server.url, await server.token());

  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
  onTestFinished(() => browser.close());
  const tab = await browser.newPage();
  const faults: string[] = [];
  tab.on('pageerror', (error) => faults.push(error.message));
  await tab.goto(origin);
  const text = () => tab.innerText('body');
  await eventually(text, (said) => said.includes('snapshot'));
  await server.write('rig-1', 'spp', [[T0 + 1, 2]]);
  const said = await eventually(text, (all) => all.endsWith('ended'));
  expect(said.replaceAll('""', '').split(/\s+/)).toEqual([
    ...['subscribed', 'snapshot', 'data', `[[${id},${T0 + 1},2]]`, 'ended'],
  ]);
  expect(faults).toEqual([]);
});
