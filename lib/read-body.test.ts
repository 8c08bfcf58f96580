import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { readBody } from './read-body.ts';

async function fetchFrom(answer: (response: ServerResponse) => void): Promise<Response> {
  const server = createServer((_request, response) => answer(response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

it.each([0, 1, 1_000])('a body of %i bytes is read to its end', async (length) => {
  const response = await fetchFrom((answer) => answer.end('x'.repeat(length)));
  expect((await readBody(response, 1_000)).toString()).toBe('x'.repeat(length));
});

it('a body in pieces is one', async () => {
  const response = await fetchFrom((answer) => {
    answer.write('é'.slice(0, 1));
    answer.write(Buffer.from('→').subarray(0, 1));
    answer.end(Buffer.from('→').subarray(1));
  });
  expect((await readBody(response, 1_000)).toString()).toBe('é→');
});

it('no body is an empty one', async () => {
  const response = await fetchFrom((answer) => answer.writeHead(204).end());
  expect(await readBody(response, 0)).toHaveLength(0);
});

it.each([
  ['says its length', { 'content-length': '1001' }],
  ['does not', {}],
])('a body that is too large is refused where its server %s', async (_words, headers) => {
  const response = await fetchFrom((answer) =>
    answer.writeHead(200, headers).end('x'.repeat(1_001)),
  );
  await expect(readBody(response, 1_000)).rejects.toThrow('it is larger than 1000 bytes');
});

it('a body without an end is left', async () => {
  let left = () => {};
  const closed = new Promise<void>((resolve) => {
    left = resolve;
  });
  const response = await fetchFrom((answer) => {
    answer.once('close', left);
    const chunk = Buffer.alloc(16_384);
    const more = () => {
      while (!answer.destroyed && answer.write(chunk));
    };
    answer.on('drain', more);
    more();
  });
  await expect(readBody(response, 100_000)).rejects.toThrow('larger');
  await closed;
});
