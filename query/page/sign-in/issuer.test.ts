import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createIssuer, type Tokens } from './issuer.ts';

const CLIENT_ID = 'charts';

/** An issuer that renews for whom it likes; no real one does. */
async function startIssuer(idClaims: object | undefined): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const discovery = { issuer: url, token_endpoint: `${url}/token` };
    const answer = { access_token: 'new', token_type: 'bearer', expires_in: 60 };
    const id = idClaims === undefined ? {} : { id_token: idToken({ iss: url, ...idClaims }) };
    response.end(JSON.stringify(request.method === 'GET' ? discovery : { ...answer, ...id }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return url;
}

/** Whose signature it is nobody asks: it comes from the issuer itself. */
function idToken(claims: object): string {
  const nowS = Math.floor(Date.now() / 1_000);
  const payload = { aud: CLIENT_ID, iat: nowS, exp: nowS + 3_600, ...claims };
  const parts = [{ alg: 'RS256' }, payload].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  return [...parts, 'signature'].join('.');
}

async function renewed(idClaims: object | undefined, subject: string | undefined): Promise<Tokens> {
  const url = await startIssuer(idClaims);
  const issuer = createIssuer({ issuer: url, client_id: CLIENT_ID, scope: 'openid' });
  const tokens = { issuer: url, access: 'old', refresh: 'r', id: undefined, name: 'Ada', subject };
  return issuer.renew({ ...tokens, renewAtMs: 0, expiresAtMs: 0 });
}

it.each([
  ['without an ID token', undefined, 'ada'],
  ['with one of the same subject', { sub: 'ada' }, 'ada'],
  ['with a first one', { sub: 'ada' }, undefined],
])('a renewal %s is taken', async (_, idClaims, before) => {
  expect(await renewed(idClaims, before)).toMatchObject({ access: 'new', subject: 'ada' });
});

it('a renewal for another subject is refused for good', async () => {
  await expect(renewed({ sub: 'eve' }, 'ada')).rejects.toMatchObject({
    isFinal: true,
    message: expect.stringContaining('somebody else'),
  });
});
