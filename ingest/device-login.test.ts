// Who may connect to a real broker, with tokens of a real key.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type EmbeddedBroker, startEmbeddedBroker } from '../lib/mqtt/embedded-broker.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import { openSigningKey, type SigningKey } from '../policies/tokens/signing-key.ts';
import { createTokenVerifier, type TokenVerifier } from '../policies/tokens/verifier.ts';
import { createDeviceLogin, type Device } from './device-login.ts';
import { DEFAULT_RULES, fixedRules } from './topics/rules.ts';

const PROFILE = {
  issuers: ['tailrace'],
  audiences: ['tailrace'],
  tenantClaim: 'tenant',
  rolesClaim: 'roles',
};
const log = createLog('silent');
const metrics = createMetrics();
const clock = Date.now;

let folder: string;
let key: SigningKey;
let tokens: TokenVerifier;
let login: (
  anonymous: 'no' | 'loopback',
  verifier?: TokenVerifier,
) => ReturnType<typeof createDeviceLogin>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-login-'));
  key = await openSigningKey(folder);
  const options = { profile: PROFILE, clock, log };
  tokens = await createTokenVerifier({ ...options, metrics, keys: { kind: 'local', key } });
  const policy = await loadPolicy({ metrics: createMetrics(), log, clock });
  login = (anonymous, verifier = tokens) =>
    createDeviceLogin({
      ...{ anonymous, policy, tokens: verifier },
      topicRules: fixedRules(DEFAULT_RULES),
    });
});
afterAll(() => rm(folder, { recursive: true }));

async function token(claims: Record<string, unknown> = {}): Promise<string> {
  const order = { tenant: 'acme', roles: ['device'], ttlS: 60, nowMs: Date.now(), claims };
  return (await issueToken(key, PROFILE, order)).token;
}

test.each([
  { anonymous: 'no', loopback: true, may: false },
  { anonymous: 'no', loopback: false, may: false },
  { anonymous: 'loopback', loopback: true, may: true },
  { anonymous: 'loopback', loopback: false, may: false },
] as const)('without a token, %j', async ({ anonymous, loopback, may }) => {
  const credentials = { clientId: 'c', username: undefined, password: undefined, loopback };
  const outcome = await login(anonymous)(credentials);
  expect('refused' in outcome).toBe(!may);
});

describe('at the broker', () => {
  let broker: EmbeddedBroker<Device>;
  beforeAll(async () => {
    broker = await start(login('loopback'));
  });
  afterAll(() => broker.stop());

  function start(authenticate: ReturnType<typeof login>): Promise<EmbeddedBroker<Device>> {
    return startEmbeddedBroker<Device>({
      ...{ host: '127.0.0.1', port: 0, metrics: createMetrics(), log, clock, authenticate },
      handler: (_message, acknowledge) => {
        acknowledge();
        return undefined;
      },
      authorizePublish: ({ access }, topic) => access?.mayPublish(topic, clock()) ?? true,
      authorizeSubscribe: () => true,
      authorizeForward: () => true,
    });
  }

  /** `connected`, or the code of the CONNACK. */
  async function connect(password: string | undefined, url = broker.url): Promise<unknown> {
    const options = password === undefined ? {} : { username: 'any', password };
    return mqtt.connectAsync(url, { reconnectPeriod: 0, ...options }).then(
      async (client) => {
        await client.endAsync(true);
        return 'connected';
      },
      (thrown: { code: unknown }) => thrown.code,
    );
  }

  it('a device with a good token connects, and one on this machine where that is allowed', async () => {
    expect(await connect(await token())).toBe('connected');
    expect(await connect(undefined)).toBe('connected');
  });

  it('a token that is refused is no anonymous client', async () => {
    for (const wrong of ['', 'x', 'a.b.c', `${await token()}x`, await token({ aud: 'other' })]) {
      expect(await connect(wrong)).toBe(4);
    }
  });

  it('a revoked token is refused', async () => {
    tokens.revocations.add({ tenant: 'acme', tokenId: 'lost', revokedAtMs: Date.now() });
    expect(await connect(await token({ jti: 'lost' }))).toBe(4);
  });

  it('without keys it is told to come again: CONNACK 3', async () => {
    const keys = { kind: 'url', url: 'http://127.0.0.1:1/jwks.json' } as const;
    const away = await createTokenVerifier({
      ...{ profile: PROFILE, clock, log, keys, metrics: createMetrics() },
    });
    const other = await start(login('no', away));
    expect(await connect(await token(), other.url)).toBe(3);
    expect(await connect(undefined, other.url)).toBe(4);
    await other.stop();
  });
});
