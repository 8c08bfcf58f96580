// Verification of tokens, cold and known, against Node's own check of the signature; and both, and a decision, as shares
// of a /v1/range request that was measured in the same run.
import { createHash, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { createTokenVerifier, type TokenVerifier } from '../../policies/tokens/verifier.ts';
import type { BenchCase, BenchContext } from '../case.ts';
import { TENANT } from '../workload.ts';
import { type AskRange, percentileOfCalls, shareOf, timeOf } from './timing.ts';

const NAME = 'bench';
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

interface Pair {
  readonly algorithm: Algorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

function makePair(algorithm: Algorithm): Pair {
  if (algorithm === 'RS256') {
    return { algorithm, ...generateKeyPairSync('rsa', { modulusLength: 2_048 }) };
  }
  if (algorithm === 'ES256') {
    return { algorithm, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
  }
  return { algorithm, ...generateKeyPairSync('ed25519') };
}

/** How Node's functions are told: EdDSA hashes itself, and JWTs have ECDSA's two numbers side by side (RFC 7518, 3.4). */
function methodOf({ algorithm }: Pair): string | null {
  return algorithm === 'EdDSA' ? null : 'sha256';
}

function keyFor(key: KeyObject, { algorithm }: Pair) {
  return algorithm === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' as const } : { key };
}

interface Token {
  readonly text: string;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

function makeToken(pair: Pair, id: number): Token {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const iat = Math.floor(systemClock() / 1_000);
  const names = { iss: NAME, aud: NAME, sub: `${TENANT}/viewer`, tenant: TENANT };
  const claims = { ...names, roles: ['viewer'], iat, exp: iat + 86_400, jti: `${id}` };
  const signed = `${encode({ alg: pair.algorithm, kid: pair.algorithm })}.${encode(claims)}`;
  const bytes = Buffer.from(signed);
  const signature = sign(methodOf(pair), bytes, keyFor(pair.privateKey, pair));
  return { text: `${signed}.${signature.toString('base64url')}`, signed: bytes, signature };
}

/** A verifier of all three keys that knows no token longer than until the next. */
async function openVerifier(
  pairs: readonly Pair[],
  { log, lifecycle }: BenchContext,
): Promise<{ cold: TokenVerifier; warm: TokenVerifier }> {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-bench-jwks-'));
  lifecycle.add({ name: 'key folder', stop: () => rm(folder, { recursive: true }) });
  const path = join(folder, 'jwks.json');
  const keys = pairs.map(({ algorithm, publicKey }) => ({
    ...publicKey.export({ format: 'jwk' }),
    ...{ kid: algorithm, alg: algorithm, use: 'sig' },
  }));
  await writeFile(path, JSON.stringify({ keys }));
  const profile = {
    issuers: [NAME],
    audiences: [NAME],
    tenantClaim: 'tenant',
    rolesClaim: 'roles',
  };
  const options = { keys: { kind: 'file', path } as const, profile, clock: systemClock, log };
  return {
    cold: await createTokenVerifier({ ...options, metrics: createMetrics(), cacheMax: 1 }),
    warm: await createTokenVerifier({ ...options, metrics: createMetrics() }),
  };
}

/** Cases for each algorithm. */
export async function tokenCases(context: BenchContext, askRange: AskRange): Promise<BenchCase[]> {
  const pairs = ALGORITHMS.map(makePair);
  const { cold, warm } = await openVerifier(pairs, context);
  const timeMs = timeOf(context);
  return pairs.flatMap((pair) => {
    const tokens = [0, 1].map((id) => makeToken(pair, id));
    const tokenAt = (index: number): Token => tokens[index % 2] ?? makeToken(pair, 0);
    return [
      ...casesOf(`${pair.algorithm} cold`, timeMs, askRange, {
        run: (index) => cold.verify(tokenAt(index).text),
        ceiling: 'the signature alone',
        bare(index) {
          const { signed, signature } = tokenAt(index);
          const isGood = verify(methodOf(pair), signed, keyFor(pair.publicKey, pair), signature);
          if (!isGood) throw new Error(`${pair.algorithm} does not verify`);
        },
      }),
      ...casesOf(`${pair.algorithm} known`, timeMs, askRange, {
        run: () => warm.verify(tokenAt(0).text),
        ceiling: 'a hash of the token',
        bare: () => createHash('sha256').update(tokenAt(0).text).digest('base64'),
      }),
    ];
  });
}

/** An operation, and the least that any implementation of it would do. */
interface Operation {
  readonly run: (index: number) => unknown;
  readonly ceiling: string;
  readonly bare: (index: number) => unknown;
}

/** How long an operation takes, and its share of a range request. */
function casesOf(
  name: string,
  timeMs: number,
  askRange: AskRange,
  { run, ceiling, bare }: Operation,
): BenchCase[] {
  return [
    {
      ...{ name: `policy/${name}`, unit: 'µs', better: 'less' },
      run: () => percentileOfCalls(timeMs, 0.5, run),
      ceiling: { name: ceiling, run: () => percentileOfCalls(timeMs, 0.5, bare) },
    },
    {
      ...{ name: `policy/${name}, of a range request`, unit: '%', better: 'less' },
      run: () => shareOf(askRange, timeMs, run),
      ceiling: { name: ceiling, run: () => shareOf(askRange, timeMs, bare) },
    },
  ];
}
