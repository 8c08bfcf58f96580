import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createSignInOrigins } from './sign-in-origins.ts';

/** A server at an issuer's place, which says this of itself. */
async function serve(
  document: () => string | undefined,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const text = document();
    if (text === undefined) response.writeHead(503);
    // In chunks, without a length.
    response.write(text ?? '');
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

it.each<[string, string, (own: string) => string[]]>([
  ['its own', '{}', (own) => [own]],
  [
    'that of a token endpoint elsewhere',
    JSON.stringify({ token_endpoint: 'https://tokens.test/oauth2/token' }),
    (own) => [own, 'https://tokens.test'],
  ],
  [
    'each once',
    JSON.stringify({
      token_endpoint: 'https://tokens.test/token',
      revocation_endpoint: 'https://tokens.test/revoke',
    }),
    (own) => [own, 'https://tokens.test'],
  ],
  ['none that is no web address', JSON.stringify({ token_endpoint: 'data:,x' }), (own) => [own]],
  [
    'none that is no address',
    JSON.stringify({ token_endpoint: 'x; script-src *' }),
    (own) => [own],
  ],
  ['its own where it says nothing that can be read', '<html>', (own) => [own]],
  ['its own where it says nothing of itself', 'null', (own) => [own]],
  [
    'its own where it says too much',
    JSON.stringify({ token_endpoint: 'https://tokens.test/', more: 'x'.repeat(300_000) }),
    (own) => [own],
  ],
])('the page may reach, of an issuer: %s', async (_words, document, origins) => {
  const { url, asked } = await serve(() => document);
  expect(await createSignInOrigins(`${url}/realm`, () => 0)()).toEqual(origins(url));
  expect(asked).toEqual(['/realm/.well-known/openid-configuration']);
});

it('asks again after a while, and soon where it got no answer', async () => {
  let nowMs = 0;
  let document: string | undefined;
  const { url, asked } = await serve(() => document);
  const origins = createSignInOrigins(url, () => nowMs);
  expect(await origins()).toEqual([url]);
  expect(await origins()).toEqual([url]);
  expect(asked).toHaveLength(1);
  document = JSON.stringify({ token_endpoint: 'https://tokens.test/token' });
  nowMs += 30_000;
  // Pages that are opened at the same moment wait for the same answer.
  expect(await Promise.all([origins(), origins()])).toEqual([
    [url, 'https://tokens.test'],
    [url, 'https://tokens.test'],
  ]);
  document = undefined;
  nowMs += 3_600_000;
  expect(await origins()).toEqual([url, 'https://tokens.test']);
  expect(asked).toHaveLength(3);
});
