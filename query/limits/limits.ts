// What one subject, one tenant and one address may have of the server at a time, so that nobody can have it all.
// Subjects and tenants are those of verified tokens; before there is one, only the address is known.
import { TailraceError } from '../../lib/errors.ts';
import { type Buckets, createBuckets } from '../../lib/limits/buckets.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Claims } from '../../policies/grant.ts';
import { addressKey } from './address.ts';
import type { Amounts, CallerAmounts } from './amounts.ts';
import { type Counts, createCounts, type Release } from './counts.ts';

/** A request or a tail that was let in. */
export interface Admission {
  /** Charges bytes that came in or went out. They are counted, never cut: a debt refuses what is asked for next. */
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
  /**
   * Lets a frame of an open tail in: it counts as a request. A debt refuses it where it asks for more to be sent; a new
   * token or an `unsubscribe` it does not. @throws TailraceError `too_many_requests`.
   */
  admitFrame(claims: Claims, asksForMore: boolean): void;
  /** Whether an open tail may read a range, as a snapshot or a poll does. @throws TailraceError `too_many_requests`. */
  checkReading(claims: Claims): void;
  /** Counts such a reading as a request that is being answered, whether there is room or not. */
  enterReading(claims: Claims): Release;
  /**
   * Counts a tail as open. What it is sent is charged like answers, but live points are never refused for it: who is
   * slow is sent summaries, and a debt of theirs ends within `TAIL_DEBT_MAX_MS`.
   * @throws TailraceError `too_many_connections`.
   */
  admitTail(claims: Claims): Admission;
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
/** A tail's frames are charged so many bytes at a time: taking from the buckets costs as much as sending a small one. */
const TAIL_CHARGE_BYTES = 4_096;
/** Live points add to no debt that is longer: who follows more than is paid for could ask for nothing else for days. */
const TAIL_DEBT_MAX_MS = 60_000;

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

type Refuse = (code: string, limit: string, detail: string, waitMs?: number) => never;

function checkBucket(
  limit: string,
  { rate, waitMs }: Buckets,
  key: string,
  asked: { readonly tokens: number; readonly nowMs: number; readonly refuse: Refuse },
): void {
  const wait = waitMs(key, asked.tokens, asked.nowMs);
  if (wait === 0) return;
  const detail = `More ${limit} than ${rate.perS} a second: ask again when Retry-After says.`;
  asked.refuse('too_many_requests', limit, detail, wait);
}

/** What is asked of the ledgers of subjects and tenants, and done with them. */
function createBooks(ledgers: readonly Ledger[], clock: () => number, refuse: Refuse) {
  return {
    checkRequests(claims: Claims): void {
      const asked = { tokens: 1, nowMs: clock(), refuse };
      for (const { of, keyOf, requests } of ledgers) {
        checkBucket(`${of} requests`, requests, keyOf(claims), asked);
      }
    },
    takeRequest(claims: Claims): void {
      const nowMs = clock();
      for (const { keyOf, requests } of ledgers) requests.take(keyOf(claims), 1, nowMs);
    },
    checkDebt(claims: Claims): void {
      const asked = { tokens: 0, nowMs: clock(), refuse };
      for (const { of, keyOf, bytes } of ledgers) {
        checkBucket(`${of} bytes`, bytes, keyOf(claims), asked);
      }
    },
    /** Charges what adds to no debt longer than `debtMaxMs`. */
    charge(claims: Claims, count: number, debtMaxMs = Number.POSITIVE_INFINITY): void {
      const nowMs = clock();
      for (const { bytes, keyOf } of ledgers) {
        const key = keyOf(claims);
        if (bytes.waitMs(key, 0, nowMs) < debtMaxMs) bytes.take(key, count, nowMs);
      }
    },
    checkInFlight(claims: Claims): void {
      for (const { of, keyOf, inFlight } of ledgers) {
        if (inFlight.hasRoom(keyOf(claims))) continue;
        const detail = `${inFlight.max} requests are being answered already: wait for one of them.`;
        refuse('too_many_requests', `${of} in flight`, detail);
      }
    },
    checkTails(claims: Claims): void {
      for (const { of, keyOf, tails } of ledgers) {
        if (tails.hasRoom(keyOf(claims))) continue;
        refuse('too_many_connections', `${of} tails`, `${tails.max} tails are open already.`);
      }
    },
    enter(what: 'inFlight' | 'tails', claims: Claims): Release {
      const releases = ledgers.map((ledger) => ledger[what].enter(ledger.keyOf(claims)));
      return () => {
        for (const release of releases) release();
      };
    },
  };
}

/** Limits of callers. Each looks at everything before anything is taken: what is refused costs nobody anything. */
function limitCallers(books: ReturnType<typeof createBooks>) {
  return {
    admitRequest(claims: Claims): Admission {
      for (const check of [books.checkRequests, books.checkDebt, books.checkInFlight])
        check(claims);
      books.takeRequest(claims);
      return {
        charge: (count) => books.charge(claims, count),
        release: books.enter('inFlight', claims),
      };
    },
    admitFrame(claims: Claims, asksForMore: boolean): void {
      books.checkRequests(claims);
      if (asksForMore) books.checkDebt(claims);
      books.takeRequest(claims);
    },
    checkReading(claims: Claims): void {
      for (const check of [books.checkDebt, books.checkInFlight]) check(claims);
    },
    enterReading: (claims: Claims): Release => books.enter('inFlight', claims),
    admitTail(claims: Claims): Admission {
      books.checkTails(claims);
      const leave = books.enter('tails', claims);
      let owed = 0;
      const pay = () => {
        books.charge(claims, owed, TAIL_DEBT_MAX_MS);
        owed = 0;
      };
      return {
        charge(count) {
          owed += count;
          if (owed >= TAIL_CHARGE_BYTES) pay();
        },
        release() {
          if (owed > 0) pay();
          leave();
        },
      };
    },
  };
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

  function refuse(code: string, limit: string, detail: string, waitMs = 0): never {
    limited.inc({ limit });
    // Whole seconds, and never none: whoever comes back sooner than that is refused again more often than not.
    const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000));
    throw new TailraceError(code, detail, { details: { limit, retry_after_s: retryAfterS } });
  }

  return {
    ...limitCallers(createBooks(ledgers, clock, refuse)),
    checkAddress(peer, isExcused) {
      const key = addressKey(peer);
      const nowMs = clock();
      if (addressRequests.waitMs(key, 1, nowMs) === 0 || isExcused?.() === true) return;
      checkBucket('address requests', addressRequests, key, { tokens: 1, nowMs, refuse });
    },
    chargeAddress: (peer) => addressRequests.take(addressKey(peer), 1, clock()),
    enterConnection(peer) {
      const key = addressKey(peer);
      if (addressConnections.hasRoom(key)) return addressConnections.enter(key);
      const detail = `${addressConnections.max} connections of this address are busy already.`;
      return refuse('too_many_connections', 'address connections', detail);
    },
  };
}
