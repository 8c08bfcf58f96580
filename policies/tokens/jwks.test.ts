// Keys from a server that comes and goes, from a file that changes, and by discovery: on a simulated clock.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import { type KeyServer, makeKey, startKeyServer, type TestKey } from '../../test/key-server.ts';
import { eventually } from '../../test/program.ts';
import { UNKNOWN_KIDS_MAX } from './jwks.ts';
import { createTokenVerifier, type TokenKeys, type TokenVerifier } from './verifier.ts';

const START_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;

const CLAIMS = {
  ...{ sub: 's', iss: 'https://id.example', aud: 'tailrace', tenant: 'acme' },
  exp: START_MS / 1_000 + 7 * 86_400,
};

let first: TestKey;
let second: TestKey;
let keyServer: KeyServer;
let nowMs: number;
let metrics: Metrics;

beforeAll(async () => {
  [first, second] = await Promise.all([makeKey('ES256', 'first'), makeKey('ES256', 'second')]);
});
beforeEach(async () => {
  nowMs = START_MS;
  keyServer = await startKeyServer(first.jwk);
});
afterEach(() => keyServer.stop());

async function open(keys?: TokenKeys, issuer = 'https://id.example'): Promise<TokenVerifier> {
  metrics = createMetrics();
  return createTokenVerifier({
    keys: keys ?? { kind: 'url', url: `${keyServer.url}/jwks.json` },
    profile: {
      issuers: [issuer],
      audiences: ['tailrace'],
      tenantClaim: 'tenant',
      rolesClaim: 'roles',
    },
    clock: () => nowMs,
    metrics,
    log: createLog('silent'),
    staleMaxMs: DAY_MS,
  });
}

let tokens = 0;
/** A token that was never seen before, good for a week. */
function sign(key: TestKey, claims: Record<string, unknown> = {}): Promise<string> {
  tokens += 1;
  return key.sign({ ...CLAIMS, jti: `t${tokens}`, ...claims });
}

async function outcome(verifier: TokenVerifier, token: string | Promise<string>): Promise<string> {
  return verifier.verify(await token).then(
    () => 'accepted',
    (thrown: { code: string }) => thrown.code,
  );
}

const isOutcome = (wanted: string) => (found: string) => found === wanted;

const failedReadings = (count: number) => (text: string) =>
  text.includes(`tailrace_jwks_reads_total{outcome="failed"} ${count}`);

function serverAway(): void {
  keyServer.answerWith((_request, response) => response.writeHead(503).end());
}

describe('keys of a server', () => {
  it('take a new key at the first token that names it, once the last reading is three seconds old', async () => {
    const verifier = await open();
    expect(await outcome(verifier, sign(first))).toBe('accepted');
    keyServer.publish(first.jwk, second.jwk);
    expect(await outcome(verifier, sign(second))).toBe('token_invalid');
    nowMs += 3_000;
    expect(await outcome(verifier, sign(second))).toBe('accepted');
    expect(await outcome(verifier, sign(first))).toBe('accepted');
  });

  it('are asked for once in three seconds, however many keys are made up', async () => {
    const verifier = await open();
    for (let round = 1; round <= 3; round++) {
      const all = Array.from({ length: 50 }, (_, n) =>
        first.sign(CLAIMS, { kid: `made-up-${round}-${n}` }),
      );
      const outcomes = await Promise.all(all.map((token) => outcome(verifier, token)));
      expect(new Set(outcomes)).toEqual(new Set(['token_invalid']));
      expect(keyServer.asked.length).toBe(round);
      nowMs += 3_000;
    }
  });

  it('are not asked for again by the same unknown key for ten seconds', async () => {
    const verifier = await open();
    await outcome(verifier, sign(first));
    nowMs += 3_000;
    for (let n = 0; n < 3; n++) {
      expect(await outcome(verifier, sign(second))).toBe('token_invalid');
      nowMs += 3_000;
    }
    expect(keyServer.asked.length).toBe(2);
    nowMs += 1_000;
    keyServer.publish(second.jwk);
    expect(await outcome(verifier, sign(second))).toBe('accepted');
  });

  it('remember so many unknown keys and no more', async () => {
    const verifier = await open();
    await outcome(verifier, sign(first));
    nowMs += 3_000;
    const all = Array.from({ length: UNKNOWN_KIDS_MAX + 10 }, (_, n) =>
      first.sign(CLAIMS, { kid: `made-up-${n}` }),
    );
    await Promise.all(all.map((token) => outcome(verifier, token)));
    const exposition = await metrics.exposition();
    expect(exposition).toContain(`tailrace_unknown_kids_size ${UNKNOWN_KIDS_MAX}\n`);
    expect(exposition).toContain(`tailrace_unknown_kids_max ${UNKNOWN_KIDS_MAX}\n`);
  });

  it('take the tokens of a removed key along, also those that were verified before', async () => {
    const verifier = await open();
    const known = await sign(first);
    expect(await outcome(verifier, known)).toBe('accepted');
    keyServer.publish(second.jwk);
    expect(await outcome(verifier, known)).toBe('accepted');
    nowMs += 15_000;
    const ask = () => outcome(verifier, known);
    await eventually(ask, isOutcome('token_invalid'));
    expect(await outcome(verifier, sign(first))).toBe('token_invalid');
    expect(await outcome(verifier, sign(second))).toBe('accepted');
  });

  it('are looked at before a known token is taken, where nobody asked for half a minute', async () => {
    const verifier = await open();
    const known = await sign(first);
    await outcome(verifier, known);
    keyServer.publish(second.jwk);
    nowMs += 30_000;
    expect(await outcome(verifier, known)).toBe('token_invalid');
  });

  it('withdraw a key from claims that are held, and say so, though nobody verifies anything', async () => {
    const verifier = await open();
    const { revocations } = verifier;
    const claims = await verifier.verify(await sign(first));
    let heard = 0;
    revocations.onAdded(() => {
      heard += 1;
    });
    keyServer.publish(first.jwk, second.jwk);
    nowMs += 15_000;
    verifier.keepUp();
    await eventually(
      async () => heard,
      (times) => times === 1,
    );
    expect(revocations.isRevoked(claims)).toBe(false);
    keyServer.publish(second.jwk);
    nowMs += 15_000;
    verifier.keepUp();
    await eventually(
      async () => heard,
      (times) => times === 2,
    );
    expect(revocations.isRevoked(claims)).toBe(true);
    serverAway();
    nowMs += 2 * DAY_MS;
    expect(revocations.isRevoked(claims)).toBe(true);
  });

  it('are another’s where a key came back under the id of an old one', async () => {
    const verifier = await open();
    const known = await sign(first);
    await outcome(verifier, known);
    keyServer.publish({ ...second.jwk, kid: first.kid });
    nowMs += 60_000;
    expect(await outcome(verifier, known)).toBe('token_invalid');
  });

  it.each([
    ['max-age=5', 5_000],
    ['public, max-age=0', 3_000],
    ['max-age=86400', 15_000],
  ])('are due after what the server says, within bounds: %s', async (cacheControl, dueMs) => {
    keyServer.answerWith((_request, response) =>
      response
        .writeHead(200, { 'cache-control': cacheControl })
        .end(JSON.stringify({ keys: [first.jwk] })),
    );
    const verifier = await open();
    await outcome(verifier, sign(first));
    nowMs += dueMs - 1;
    await outcome(verifier, sign(first));
    expect(keyServer.asked.length).toBe(1);
    nowMs += 1;
    await outcome(verifier, sign(first));
    await eventually(
      async () => keyServer.asked.length,
      (asked) => asked === 2,
    );
  });
});

describe('a key server that is away', () => {
  it('at the start keeps nobody from starting; tokens are 503 until it comes', async () => {
    serverAway();
    const verifier = await open();
    const token = await sign(first);
    expect(await outcome(verifier, token)).toBe('keys_unavailable');
    keyServer.answerWith();
    expect(await outcome(verifier, token)).toBe('keys_unavailable');
    nowMs += 3_000;
    expect(await outcome(verifier, token)).toBe('accepted');
    expect(await metrics.exposition()).toContain('tailrace_jwks_reads_total{outcome="failed"} 1');
  });

  it('leaves known keys in use for JWKS_STALE_MAX, and no longer', async () => {
    const verifier = await open();
    const known = await sign(first);
    await outcome(verifier, known);
    serverAway();
    for (const agoMs of [60_000, DAY_MS / 2, DAY_MS]) {
      nowMs = START_MS + agoMs;
      expect(await outcome(verifier, known)).toBe('accepted');
      expect(await outcome(verifier, sign(first))).toBe('accepted');
    }
    expect(await metrics.exposition()).toContain('tailrace_jwks_age_seconds 86400');
    nowMs = START_MS + DAY_MS + 1;
    expect(await outcome(verifier, known)).toBe('keys_unavailable');
    expect(await outcome(verifier, sign(first))).toBe('keys_unavailable');
    keyServer.answerWith();
    nowMs += 3_000;
    expect(await outcome(verifier, known)).toBe('accepted');
  });

  it('takes claims that are held along after JWKS_STALE_MAX, and says so once', async () => {
    const verifier = await open();
    const { revocations } = verifier;
    const claims = await verifier.verify(await sign(first));
    let heard = 0;
    revocations.onAdded(() => {
      heard += 1;
    });
    serverAway();
    nowMs = START_MS + DAY_MS;
    verifier.keepUp();
    await eventually(() => metrics.exposition(), failedReadings(1));
    expect([revocations.isRevoked(claims), heard]).toEqual([false, 0]);
    for (const readings of [2, 3]) {
      nowMs += 3_000;
      verifier.keepUp();
      expect([revocations.isRevoked(claims), heard]).toEqual([true, 1]);
      await eventually(() => metrics.exposition(), failedReadings(readings));
    }
    keyServer.answerWith();
    nowMs += 3_000;
    verifier.keepUp();
    await eventually(
      async () => revocations.isRevoked(claims),
      (revoked) => !revoked,
    );
    verifier.keepUp();
    serverAway();
    nowMs += 2 * DAY_MS;
    verifier.keepUp();
    expect(heard).toBe(2);
  });

  const WRONG: readonly (readonly [what: string, status: number, body: () => string])[] = [
    ['answers with an error', 500, () => '{"keys":[]}'],
    ['redirects elsewhere', 302, () => ''],
    ['answers with something else', 200, () => '<html>'],
    ['answers with no key set', 200, () => '{"issuer":"x"}'],
    ['answers with a list', 200, () => '[]'],
    ['answers with 300 KB', 200, () => JSON.stringify({ keys: [], x: 'x'.repeat(300_000) })],
    ['answers with 101 keys', 200, () => JSON.stringify({ keys: Array(101).fill(second.jwk) })],
  ];
  test.each(WRONG)('in that it %s leaves the keys as they were', async (_what, status, body) => {
    const verifier = await open();
    await outcome(verifier, sign(first));
    const elsewhere = await startKeyServer(second.jwk);
    keyServer.answerWith((_request, response) =>
      response.writeHead(status, { location: `${elsewhere.url}/jwks.json` }).end(body()),
    );
    nowMs += 60_000;
    expect(await outcome(verifier, sign(second))).toBe('token_invalid');
    expect(await outcome(verifier, sign(first))).toBe('accepted');
    expect(elsewhere.asked).toEqual([]);
    await elsewhere.stop();
  });

  it('and one that removes every key takes every token along', async () => {
    const verifier = await open();
    const known = await sign(first);
    await outcome(verifier, known);
    keyServer.publish();
    nowMs += 60_000;
    expect(await outcome(verifier, known)).toBe('token_invalid');
  });

  it('while a clock that is set back makes the keys due, not lost', async () => {
    const verifier = await open();
    await outcome(verifier, sign(first));
    nowMs -= DAY_MS;
    expect(await outcome(verifier, sign(first))).toBe('accepted');
    expect(keyServer.asked.length).toBe(2);
  });
});

describe('keys of a file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tailrace-jwks-'));
    path = join(folder, 'jwks.json');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are read again when it changes, and a file half written leaves them as they were', async () => {
    await writeFile(path, JSON.stringify({ keys: [first.jwk] }));
    const verifier = await open({ kind: 'file', path });
    const known = await sign(first);
    expect(await outcome(verifier, known)).toBe('accepted');
    await writeFile(path, '{"keys":[');
    nowMs += 2_000;
    expect(await outcome(verifier, known)).toBe('accepted');
    await writeFile(path, JSON.stringify({ keys: [second.jwk] }));
    nowMs += 2_000;
    expect(await outcome(verifier, known)).toBe('token_invalid');
    expect(await outcome(verifier, sign(second))).toBe('accepted');
  });
});

describe('keys by discovery', () => {
  it('are where the issuer’s document says', async () => {
    const verifier = await open({ kind: 'discovery', issuer: keyServer.url }, keyServer.url);
    expect(await outcome(verifier, sign(first, { iss: keyServer.url }))).toBe('accepted');
    expect(keyServer.asked).toEqual(['/.well-known/openid-configuration', '/jwks.json']);
  });

  const WRONG: readonly (readonly [what: string, document: () => unknown])[] = [
    ['another issuer', () => ({ issuer: 'https://evil.example', jwks_uri: `${keyServer.url}/k` })],
    ['a slash more', () => ({ issuer: `${keyServer.url}/`, jwks_uri: `${keyServer.url}/k` })],
    ['no jwks_uri', () => ({ issuer: keyServer.url })],
    ['a file', () => ({ issuer: keyServer.url, jwks_uri: 'file:///etc/passwd' })],
  ];
  test.each(WRONG)('are not taken from a document with %s', async (_what, document) => {
    keyServer.answerWith((_request, response) => response.end(JSON.stringify(document())));
    const verifier = await open({ kind: 'discovery', issuer: keyServer.url }, keyServer.url);
    expect(await outcome(verifier, sign(first, { iss: keyServer.url }))).toBe('keys_unavailable');
    expect(keyServer.asked).toEqual(['/.well-known/openid-configuration']);
  });
});
