// The program in docs/client.md is run as it stands there, against a query server.
import { readFile } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { openTestDatabase } from '../test/database.ts';
import { startTestQueryServer } from '../test/query-server.ts';
import { tail } from './tail.ts';
import { createView } from './view.ts';

it('the example of docs/client.md does what it says', async () => {
  const own = await openTestDatabase();
  onTestFinished(() => own.dispose());
  const server = await startTestQueryServer({ database: own.database });
  onTestFinished(() => server.stop());
  const t0 = Date.UTC(2026, 0, 2);
  const { id } = await server.write('rig-1', 'spp', [
    [t0, 1],
    [t0 + 1, 2],
  ]);
  const text = await readFile(new URL('../docs/client.md', import.meta.url), 'utf8');
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
