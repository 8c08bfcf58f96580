// What one subject, one tenant and one address may have of the server at a time, so that nobody can have it all.
// Subjects and tenants are those of verified tokens; before there is one, only the address is known.
import { TailraceError } from '../../lib/errors.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Claims } from '../../policies/grant.ts';
import { addressKey } from './address.ts';
import type { Amounts, CallerAmounts } from './amounts.ts';
import { type Buckets, createBuckets } from './buckets.ts';
import { type Counts, createCounts, type Release } from './counts.ts';

/** A request that was let in. */
export interface Admission {
  /** Charges bytes of its body or of its answer. They are counted, never cut: a debt refuses the next request. */
  charge(bytes: number): void;
  release: Release;
}

export interface Limits {
  /**
   * Behind a proxy, friend and foe have one address: `isExcused` is asked where it is at its limit.
   * @throws TailraceError `too_many_requests` where an address sent too much that nobody answers for.
   */
  checkAddress(peer: string, isExcused?: () => boolean): void;
  /** Counts a request of an address that no verified token stood behind. */
  chargeAddress(peer: string): void;
  /** Counts a connection of an address that has something to do. @throws TailraceError `too_many_connections`. */
  enterConnection(peer: string): Release;
  /** Lets a request of a verified caller in. @throws TailraceError `too_many_requests`. */
  admitRequest(claims: Claims): Admission;
  /** Lets a frame of an open tail in: it counts as a request. @throws TailraceError `too_many_requests`. */
  admitFrame(claims: Claims): void;
  /** Whether a tail may be opened. @throws TailraceError `too_many_connections`. */
  checkTail(claims: Claims): void;
  /** Counts a tail as open. */
  enterTail(claims: Claims): Release;
}

export interface LimitsOptions {
  readonly amounts: Amounts;
  readonly metrics: Metrics;
  /** Never goes back; ms since whenever. The process's own unless given. */
  readonly clock?: () => number;
  /** Subjects, tenants and addresses that are remembered, of each. */
  readonly keysMax?: number;
}

const KEYS_MAX = 10_000;

/** All that is limited of one kind of caller. */
interface Ledger {
  readonly of: 'subject' | 'tenant';
  readonly keyOf: (claims: Claims) => string;
  readonly requests: Buckets;
  readonly bytes: Buckets;
  readonly inFlight: Counts;
  readonly tails: Counts;
}

/** As much as comes in a second may come at once. */
function buckets(perS: number, max: number): Buckets {
  return createBuckets({ perS, burst: perS }, max);
}

function createLedger(
  of: Ledger['of'],
  keyOf: Ledger['keyOf'],
  amounts: CallerAmounts,
  max: number,
): Ledger {
  return {
    ...{ of, keyOf },
    requests: buckets(amounts.requestsPerS, max),
    bytes: buckets(amounts.bytesPerS, max),
    inFlight: createCounts(amounts.inFlight),
    tails: createCounts(amounts.tails),
  };
}

/** A list as JSON: tenant `a` with subject `b/c` is not tenant `a/b` with subject `c`. */
function subjectKey({ tenant, sub }: Claims): string {
  return JSON.stringify([tenant, sub]);
}

/** Makes the limits of one server. */
export function createLimits(options: LimitsOptions): Limits {
  const { amounts, metrics, clock = () => performance.now(), keysMax = KEYS_MAX } = options;
  const ledgers = [
    createLedger('subject', subjectKey, amounts.subject, keysMax),
    createLedger('tenant', ({ tenant }) => tenant, amounts.tenant, keysMax),
  ];
  const addressRequests = buckets(amounts.address.requestsPerS, keysMax);
  const addressConnections = createCounts(amounts.address.connections);
  const limited = metrics.counter(
    'tailrace_query_limited_total',
    'requests and connections refused because a limit was reached',
    ['limit'],
  );
  for (const { of, requests, bytes } of ledgers) {
    metrics.bounded(`limited_${of}_requests`, () => requests.size, keysMax);
    metrics.bounded(`limited_${of}_bytes`, () => bytes.size, keysMax);
  }
  metrics.bounded('limited_address_requests', () => addressRequests.size, keysMax);

  function refuse(code: string, limit: string, detail: string, wait = 0): never {
    limited.inc({ limit });
    // Whole seconds, and never none: whoever comes back sooner than that is refused again more often than not.
    const retryAfterS = Math.max(1, Math.ceil(wait / 1_000));
    throw new TailraceError(code, detail, { details: { limit, retry_after_s: retryAfterS } });
  }

  function checkBucket(limit: string, held: Buckets, key: string, tokens: number): void {
    const wait = held.waitMs(key, tokens, clock());
    if (wait === 0) return;
    const { perS } = held.rate;
    const detail = `More ${limit} than ${perS} a second: ask again when Retry-After says.`;
    refuse('too_many_requests', limit, detail, wait);
  }

  /** Looks at everything before anything is taken: what is refused costs nobody anything. */
  function takeRequest(claims: Claims, isInFlight: boolean): void {
    for (const { of, keyOf, requests, bytes, inFlight } of ledgers) {
      const key = keyOf(claims);
      checkBucket(`${of} requests`, requests, key, 1);
      checkBucket(`${of} bytes`, bytes, key, 0);
      if (!isInFlight || inFlight.hasRoom(key)) continue;
      const detail = `${inFlight.max} requests are being answered already: wait for one of them.`;
      refuse('too_many_requests', `${of} in flight`, detail);
    }
    const nowMs = clock();
    for (const { keyOf, requests } of ledgers) requests.take(keyOf(claims), 1, nowMs);
  }

  return {
    checkAddress(peer, isExcused) {
      const key = addressKey(peer);
      if (addressRequests.waitMs(key, 1, clock()) === 0 || isExcused?.() === true) return;
      checkBucket('address requests', addressRequests, key, 1);
    },
    chargeAddress: (peer) => addressRequests.take(addressKey(peer), 1, clock()),
    enterConnection(peer) {
      const key = addressKey(peer);
      if (addressConnections.hasRoom(key)) return addressConnections.enter(key);
      const detail = `${addressConnections.max} connections of this address are busy already.`;
      return refuse('too_many_connections', 'address connections', detail);
    },
    admitRequest(claims) {
      takeRequest(claims, true);
      const releases = ledgers.map(({ inFlight, keyOf }) => inFlight.enter(keyOf(claims)));
      return {
        charge(count) {
          const nowMs = clock();
          for (const { bytes, keyOf } of ledgers) bytes.take(keyOf(claims), count, nowMs);
        },
        release() {
          for (const release of releases) release();
        },
      };
    },
    admitFrame: (claims) => takeRequest(claims, false),
    checkTail(claims) {
      for (const { of, keyOf, tails } of ledgers) {
        if (tails.hasRoom(keyOf(claims))) continue;
        refuse('too_many_connections', `${of} tails`, `${tails.max} tails are open already.`);
      }
    },
    enterTail(claims) {
      const releases = ledgers.map(({ tails, keyOf }) => tails.enter(keyOf(claims)));
      return () => {
        for (const release of releases) release();
      };
    },
  };
}
