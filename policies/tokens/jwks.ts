// The keys of an issuer, kept up with where they come from: read again when they are due, and when a token names a key
// that is not there; used on for a while when they cannot be had.
//
// jose's own remote set keeps keys for ten minutes, asks again at once after a failure, and has no bound on how long a
// set that is never confirmed is used; so here only its keys are used.
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { type KeyLocation, nameOf, readKeyDocument } from './key-documents.ts';
import { type KeySet, readKeySet, type VerificationKey } from './key-set.ts';
import { invalid, keysUnavailable } from './refusals.ts';

export interface KeySource {
  /** The key that a token names. @throws TailraceError `token_invalid`, `keys_unavailable`. */
  find(alg: string, kid: string | undefined): Promise<VerificationKey>;
  /**
   * Whether a key that was found is still there; at once, unless the keys have to be read first.
   * @throws TailraceError `keys_unavailable`, at once or later.
   */
  holds(thumbprint: string): boolean | Promise<boolean>;
  /** Whether a key that was found is gone from the keys as they were read last, or these may not be used any more. */
  lacks(thumbprint: string): boolean;
  /** Whether there are keys that may be used. */
  readonly isUsable: boolean;
  /** Begins to read the keys where that is due. */
  keepUp(): void;
  /** Ids of keys that were asked for and are not there. */
  readonly unknownKids: number;
  /** Time since the keys were confirmed, in ms; undefined before they were read. */
  ageMs(): number | undefined;
}

export interface KeySourceOptions {
  readonly location: KeyLocation;
  readonly clock: Clock;
  readonly log: Log;
  /** How long keys are used that could not be confirmed. */
  readonly staleMaxMs: number;
  /** Is told of every reading. */
  readonly onRead: (outcome: 'ok' | 'failed') => void;
  /** Is told of other keys, and when those that are there may not be used any more. */
  readonly onChange: () => void;
}

export const UNKNOWN_KIDS_MAX = 1_000;

interface Pace {
  /** Keys are due to be read again after this long. */
  readonly dueMs: number;
  /** And not read again before, whoever asks: so many tokens with made-up keys cost one reading. */
  readonly cooldownMs: number;
}

const PACE: Readonly<Record<KeyLocation['kind'], Pace>> = {
  file: { dueMs: 1_000, cooldownMs: 1_000 },
  url: { dueMs: 15_000, cooldownMs: 3_000 },
  discovery: { dueMs: 15_000, cooldownMs: 3_000 },
};
/** A token that names a key which is not there is no reason to read again for so long. */
const UNKNOWN_KID_MS = 10_000;

/** Keys as they were read last. */
interface Held {
  readonly text: string;
  readonly keys: KeySet['keys'];
  readonly confirmedMs: number;
  readonly dueMs: number;
}

type Freshness = 'none' | 'fresh' | 'due' | 'over';

/** How it stands with the keys. A clock that was set back makes them due. Pure. */
function freshness(held: Held | undefined, nowMs: number, staleMaxMs: number): Freshness {
  if (held === undefined) return 'none';
  const ageMs = nowMs - held.confirmedMs;
  if (ageMs > staleMaxMs) return 'over';
  return ageMs >= 0 && ageMs < held.dueMs ? 'fresh' : 'due';
}

/** The keys of one location, read when it is asked for, and by no more than one reading at a time. */
interface Keeper {
  held(): Held | undefined;
  /** Rejects with what is wrong. */
  read(): Promise<void>;
  /** Whether somebody asked for keys lately, so that they cannot have been gone for long. */
  isIdle(nowMs: number): boolean;
  /** Reads again unless the last reading was just now: then there is nothing to wait for. Never rejects. */
  readAgain(nowMs: number): Promise<void> | undefined;
}

function createKeeper(options: KeySourceOptions, pace: Pace): Keeper {
  const { location, clock, log, onRead } = options;
  const source = nameOf(location);
  let held: Held | undefined;
  let triedMs: number | undefined;
  let reading: Promise<void> | undefined;
  let failing = false;

  async function read(): Promise<void> {
    const { text, maxAgeMs = pace.dueMs } = await readKeyDocument(location);
    const keys = text === held?.text ? held.keys : await readKeys(text);
    const dueMs = Math.min(pace.dueMs, Math.max(pace.cooldownMs, maxAgeMs));
    const isOther = held !== undefined && text !== held.text;
    held = { text, keys, confirmedMs: clock(), dueMs };
    triedMs = clock();
    if (isOther) options.onChange();
  }

  async function readKeys(text: string): Promise<KeySet['keys']> {
    const { keys, refused } = await readKeySet(text);
    for (const { kid, reason } of refused) log.warn({ source, kid, reason }, 'a key is not used');
    if (keys.length === 0) log.warn({ source }, 'there are no keys to verify tokens with');
    return keys;
  }

  /** What went wrong is logged, and shows in the age of what is held. */
  async function tryReading(): Promise<void> {
    try {
      await read();
      if (failing) log.info({ source }, 'keys of tokens can be had again');
      failing = false;
      onRead('ok');
    } catch (thrown) {
      if (!failing) log.warn({ source, reason: messageOf(thrown) }, 'no keys of tokens to be had');
      failing = true;
      onRead('failed');
      triedMs = clock();
    }
    reading = undefined;
  }

  return {
    held: () => held,
    read,
    isIdle: (nowMs) => triedMs === undefined || Math.abs(nowMs - triedMs) >= 2 * pace.dueMs,
    readAgain(nowMs) {
      const cooling =
        triedMs !== undefined && nowMs >= triedMs && nowMs - triedMs < pace.cooldownMs;
      if (reading === undefined && !cooling) reading = tryReading();
      return reading;
    },
  };
}

/** Ids of keys that are not there, with the time at which that was found; the oldest goes first. */
interface Missing {
  readonly size: number;
  has(kid: string, nowMs: number): boolean;
  add(kid: string, nowMs: number): void;
}

function createMissing(): Missing {
  const found = new Map<string, number>();
  return {
    get size() {
      return found.size;
    },
    has(kid, nowMs) {
      const sinceMs = found.get(kid);
      return sinceMs !== undefined && nowMs >= sinceMs && nowMs - sinceMs < UNKNOWN_KID_MS;
    },
    add(kid, nowMs) {
      found.delete(kid);
      found.set(kid, nowMs);
      if (found.size <= UNKNOWN_KIDS_MAX) return;
      const [oldest] = found.keys();
      if (oldest !== undefined) found.delete(oldest);
    },
  };
}

/**
 * Opens a source. A file is read at once; a server is only asked, so that one which is away keeps nobody from starting.
 * @throws Error where a file holds no keys.
 */
export async function openKeySource(options: KeySourceOptions): Promise<KeySource> {
  const { location, clock, staleMaxMs } = options;
  const keeper = createKeeper(options, PACE[location.kind]);
  const missing = createMissing();

  /** What has to be waited for before the keys may be used; a reading that is merely due goes on beside. */
  function settled(): Promise<void> | undefined {
    const nowMs = clock();
    const state = freshness(keeper.held(), nowMs, staleMaxMs);
    if (state === 'fresh') return undefined;
    const mustWait = state !== 'due' || keeper.isIdle(nowMs);
    const again = keeper.readAgain(nowMs);
    return mustWait ? again : undefined;
  }

  function usableKeys(): KeySet['keys'] {
    const held = keeper.held();
    const state = freshness(held, clock(), staleMaxMs);
    if (held === undefined || state === 'over') throw keysUnavailable();
    return held.keys;
  }

  async function find(alg: string, kid: string | undefined): Promise<VerificationKey> {
    await settled();
    const found = choose(usableKeys(), alg, kid);
    if (found !== undefined) return found;
    const name = kid ?? '';
    const again = missing.has(name, clock()) ? undefined : keeper.readAgain(clock());
    await again;
    const second = choose(usableKeys(), alg, kid);
    if (second !== undefined) return second;
    if (again !== undefined) missing.add(name, clock());
    throw invalid('is signed with a key that is not known here');
  }

  const isOver = () => freshness(keeper.held(), clock(), staleMaxMs) === 'over';
  let toldThatOver = false;

  /** Who holds verified claims and asks for no keys has to look again, once. */
  function tellThatOver(): void {
    const isNews = isOver() && !toldThatOver;
    toldThatOver = isOver();
    if (isNews) options.onChange();
  }

  const has = (thumbprint: string) => usableKeys().some((key) => key.thumbprint === thumbprint);

  if (location.kind === 'file') await keeper.read();
  else void keeper.readAgain(clock());
  return {
    find,
    holds(thumbprint) {
      const waiting = settled();
      return waiting === undefined ? has(thumbprint) : waiting.then(() => has(thumbprint));
    },
    lacks: (thumbprint) =>
      isOver() || keeper.held()?.keys.some((key) => key.thumbprint === thumbprint) === false,
    get isUsable() {
      return keeper.held() !== undefined && !isOver();
    },
    keepUp() {
      void settled();
      tellThatOver();
    },
    get unknownKids() {
      return missing.size;
    },
    ageMs() {
      const held = keeper.held();
      return held === undefined ? undefined : clock() - held.confirmedMs;
    },
  };
}

/** The key of an id, or the only one for the algorithm where the token names none. */
function choose(
  keys: readonly VerificationKey[],
  alg: string,
  kid: string | undefined,
): VerificationKey | undefined {
  const named = kid === undefined ? keys : keys.filter((key) => key.kid === kid);
  const fitting = named.filter(({ algorithms }) => algorithms.has(alg));
  if (fitting.length > 1) throw invalid('does not say which of several keys it is signed with');
  if (fitting.length === 0 && kid !== undefined && named.length > 0) {
    throw invalid('is signed with an algorithm that is not allowed');
  }
  return fitting[0];
}
