// A real OpenID Connect issuer on loopback: people sign in at its own pages with any name and password, and get access
// tokens as JWTs for the audience that the program takes.
/// <reference path="./oidc-provider.d.ts" />
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider, type StoredToken } from 'oidc-provider';

export const CLIENT_ID = 'charts';
/** What access tokens are asked for, and what they say for it. */
export const RESOURCE = 'urn:tailrace:test';
export const AUDIENCE = 'tailrace';

interface IssuerOptions {
  /** The only page that may send people here, and where they are sent back to. */
  readonly pageUrl: string;
  /** Seconds that an access token lives. */
  readonly accessTtlS: () => number;
  readonly givesRefreshTokens: () => boolean;
  /** Tenant and roles of who signed in by this name. */
  readonly claimsOf: (name: string) => { tenant: string; roles: string[] };
}

export interface TestIssuer {
  readonly url: string;
  /** Takes back every refresh token given so far. */
  endSessions(): Promise<void>;
  stop(): Promise<void>;
}

const TTL_S = 3_600;

function configurationOf(options: IssuerOptions): object {
  const { pageUrl, accessTtlS, givesRefreshTokens, claimsOf } = options;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const key = privateKey.export({ format: 'jwk' });
  const resource = () => ({
    ...{ scope: '', audience: AUDIENCE, accessTokenTTL: accessTtlS() },
    ...{ accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
  });
  return {
    clients: [
      {
        ...{ client_id: CLIENT_ID, token_endpoint_auth_method: 'none' },
        ...{ redirect_uris: [pageUrl], post_logout_redirect_uris: [pageUrl] },
        ...{ grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
      },
    ],
    clientBasedCORS: (_context: unknown, origin: string) => origin === new URL(pageUrl).origin,
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, name: id.replace(/^./, (first) => first.toUpperCase()) }),
    }),
    claims: { openid: ['sub'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: [randomUUID()] },
    jwks: { keys: [{ ...key, use: 'sig', alg: 'RS256', kid: 'issuer' }] },
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: resource,
        defaultResource: () => RESOURCE,
      },
    },
    extraTokenClaims: (_context: unknown, token: StoredToken) => claimsOf(token.accountId),
    issueRefreshToken: givesRefreshTokens,
    ttl: {
      ...{ Grant: TTL_S, IdToken: TTL_S, Interaction: TTL_S, Session: TTL_S, RefreshToken: TTL_S },
      ...{ AccessToken: accessTtlS, AuthorizationCode: 60 },
    },
  };
}

/** Starts the issuer on a port of the system's choice. */
export async function startIssuer(options: IssuerOptions): Promise<TestIssuer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(url, configurationOf(options));
  const given: StoredToken[] = [];
  provider.on('refresh_token.saved', (token) => given.push(token));
  server.on('request', provider.callback());
  return {
    url,
    async endSessions() {
      for (const token of given.splice(0)) await token.destroy();
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
