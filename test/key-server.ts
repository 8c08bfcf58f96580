// A real HTTP server that publishes keys, for tests: what it answers can be changed, and what it was asked is counted.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

export interface TestKey {
  readonly alg: string;
  readonly kid: string;
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
  /** Signs claims, with further header members. */
  sign(claims: Record<string, unknown>, header?: Record<string, unknown>): Promise<string>;
}

/** Makes a key pair whose public half can be published. */
export async function makeKey(alg: string, kid = `kid-${alg}`): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  return {
    ...{ alg, kid, jwk, privateKey },
    sign: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg, kid, ...header }).sign(privateKey),
  };
}

export interface KeyServer {
  readonly url: string;
  /** Paths that were asked for. */
  readonly asked: readonly string[];
  /** What `/jwks.json` holds. */
  publish(...keys: readonly unknown[]): void;
  /** Answers everything by this instead; without it keys are published again. */
  answerWith(answer?: (request: IncomingMessage, response: ServerResponse) => void): void;
  stop(): Promise<void>;
}

/** Starts a server on loopback; it publishes keys, and where they are (`.well-known/openid-configuration`). */
export async function startKeyServer(...first: readonly unknown[]): Promise<KeyServer> {
  const asked: string[] = [];
  let keys = first;
  let answer: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  let url = '';

  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (answer !== undefined) {
      answer(request, response);
      return;
    }
    const isDiscovery = request.url === '/.well-known/openid-configuration';
    const body = isDiscovery ? { issuer: url, jwks_uri: `${url}/jwks.json` } : { keys };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    asked,
    publish(...now) {
      keys = now;
    },
    answerWith(given) {
      answer = given;
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
