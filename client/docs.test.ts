// What docs/client.md and docs/tails.md show is run as it stands there, against a query server.
import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { openTestDatabase } from '../test/database.ts';
import { startTestQueryServer, type TestQueryServer } from '../test/query-server.ts';
import { connectTail } from '../test/tail-client.ts';
import { tail } from './tail.ts';
import { createView } from './view.ts';

const readPage = (name: string) => readFile(new URL(`../docs/${name}`, import.meta.url), 'utf8');

async function startServer(): Promise<TestQueryServer> {
  const own = await openTestDatabase();
  onTestFinished(() => own.dispose());
  const server = await startTestQueryServer({ database: own.database });
  onTestFinished(() => server.stop());
  return server;
}

it('the example of docs/client.md does what it says', async () => {
  const server = await startServer();
  const t0 = Date.UTC(2026, 0, 2);
  const { id } = await server.write('rig-1', 'spp', [
    [t0, 1],
    [t0 + 1, 2],
  ]);
  const text = await readPage('client.md');
  const program = /```js\n([\s\S]*?)```/
    .exec(text)?.[1]
    ?.replace(/^import .*$/gm, '')
    .replace('http://localhost:8080', server.url);
  const lines: string[] = [];
  const run = new Function(
    ...['tail', 'createView', 'token', 'console'],
    `return (async () => {${program}})();`,
  );
  globalThis.WebSocket ??= WebSocket as never;
  const log = (...parts: unknown[]) => lines.push(parts.join(' '));
  await run(tail, createView, await server.token(), { log });
  expect(lines).toEqual([...['connecting', 'catching up', 'live', 'ended', `${id} 2`]]);
});

it('the frames of docs/tails.md go to and fro as it says', async () => {
  const server = await startServer();
  await server.write('rig-7', 'mud/spp', [[Date.now(), 1]]);
  const [, dialogue = ''] = /```\n(→[\s\S]*?)```/.exec(await readPage('tails.md')) ?? [];
  const client = await connectTail({ url: server.url, bearer: await server.token() });
  onTestFinished(() => client.socket.terminate());
  const told: string[] = [];
  for (const line of dialogue.trim().split('\n')) {
    if (line.startsWith('→')) {
      client.send(JSON.parse(line.slice(1)));
      continue;
    }
    const type = /"type":"(\w+)"/.exec(line)?.[1];
    if (type === 'data') await server.write('rig-7', 'mud/spp', [[Date.now(), 2]]);
    told.push((await client.next()).type);
    expect(told.at(-1)).toBe(type);
  }
  expect(told).toEqual(['subscribed', 'snapshot', 'data']);
});
