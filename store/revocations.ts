// Revocations of tokens, kept in the database for every process of a deployment and for its next start. The table is
// the truth; the feed is how others hear of a new one at once, and each process looks into the table now and then for
// what the feed did not say.
import type { Clock } from '../lib/clock.ts';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Feed, FeedBody, FeedRecord } from '../lib/feed/feed.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import { deleteRevocations } from '../sql/statements/deleteRevocations.ts';
import { insertRevocation } from '../sql/statements/insertRevocation.ts';
import {
  type RevocationRow,
  selectRevocations,
  selectRevocationsOfTenant,
  selectRevocationsWrittenLately,
} from '../sql/statements/selectRevocations.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import { codeOf } from './write-failure.ts';

type RevokedBody = Omit<Extract<FeedBody, { kind: 'revoked' }>, 'kind'>;

/** The set that tokens are held against; it is told of every revocation that is in force. */
export interface RevocationSet {
  add(revocation: RevokedBody): void;
  /** Drops those that expired by then, ms since 1970. */
  forget(untilMs: number): void;
  readonly size: number;
}

/** What is to be revoked: a subject's tokens that were issued until now, or one token by its id (`jti`). */
export interface RevocationOrder {
  readonly tenant: string;
  readonly target: 'subject' | 'token';
  readonly name: string;
  /** When no such token can be left, ms since 1970; undefined where that is not known. */
  readonly expiresAtMs: number | undefined;
  /** Subject of whoever asks for it. */
  readonly revokedBy: string;
}

/** A revocation as it is kept; times in ms since 1970. */
export interface KeptRevocation extends RevocationOrder {
  readonly id: number;
  readonly revokedAtMs: number;
}

export interface RevocationStore extends Part {
  /**
   * Revokes: resolves when it is committed and holds in this process, and when the others can see it in the feed; a
   * feed that takes nothing is not waited for, then they find it in the table.
   * @throws TailraceError `overloaded` (there are as many as may be), `database_unavailable`.
   */
  revoke(order: RevocationOrder): Promise<KeptRevocation>;
  /** A tenant's, the newest first, with ids below `before`. @throws TailraceError `database_unavailable`. */
  list(tenant: string, page: { before: number; limit: number }): Promise<KeptRevocation[]>;
}

export interface RevocationStoreOptions {
  readonly database: Writable;
  readonly feed: Feed;
  readonly revocations: RevocationSet;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly revocationsMax?: number;
  readonly lookEveryMs?: number;
}

/** Some 300 bytes each. */
const REVOCATIONS_MAX = 100_000;
const LOOK_EVERY_MS = 10_000;
/** Clocks differ, and a token is taken for a while after its `exp`. */
const FORGET_AFTER_MS = 60_000;
const APPEND_WAIT_MAX_MS = 1_000;

/** Opens the store: the set then holds all that are in force, and is kept up with what this and other processes add. */
export async function openRevocations(options: RevocationStoreOptions): Promise<RevocationStore> {
  const { database, feed, revocations, clock, log, metrics } = options;
  const max = options.revocationsMax ?? REVOCATIONS_MAX;
  // One tenant alone cannot take all there are.
  const bounds = { max, tenantMax: Math.ceil(max / 2) };
  let isBehind = true;
  let looking: Promise<void> = Promise.resolve();

  function take(rows: readonly RevocationRow[]): void {
    for (const row of rows) revocations.add(bodyOf(keptOf(row)));
  }

  /** Reads what may be missing, and forgets what is over. */
  async function look(): Promise<void> {
    const whole = isBehind;
    isBehind = false;
    try {
      const select = whole ? selectRevocations : selectRevocationsWrittenLately;
      const untilMs = clock() - FORGET_AFTER_MS;
      take(await withClient(database, select));
      revocations.forget(untilMs);
      await withClient(database, (client) => deleteRevocations(client, untilMs));
    } catch (thrown) {
      isBehind = true;
      throw thrown;
    }
  }

  function lookAgain(): void {
    looking = looking.then(look).catch((thrown: unknown) => {
      log.warn({ reason: messageOf(thrown) }, 'revocations of other processes cannot be read');
    });
  }

  function follow(record: FeedRecord): void {
    if (record.kind === 'revoked') {
      const { kind: _kind, position: _position, ...revocation } = record;
      revocations.add(revocation);
    } else if (record.kind === 'gap') {
      isBehind = true;
      lookAgain();
    }
  }

  /** Resolves when the feed has it, or has had a second. */
  async function announce(revocation: RevokedBody): Promise<void> {
    const appended = feed.append({ kind: 'revoked', ...revocation }).then(
      () => undefined,
      (thrown: unknown) =>
        log.warn({ reason: messageOf(thrown) }, 'a revocation could not be announced in the feed'),
    );
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, APPEND_WAIT_MAX_MS);
    });
    await Promise.race([appended, enough]);
    clearTimeout(timer);
  }

  async function ask<T>(work: Parameters<typeof withClient<T>>[1]): Promise<T> {
    try {
      return await withClient(database, work);
    } catch (thrown) {
      log.error({ code: codeOf(thrown), reason: messageOf(thrown) }, 'no revocations to be had');
      throw new TailraceError(
        'database_unavailable',
        'Revocations cannot be kept or read now; try again shortly.',
        { cause: thrown },
      );
    }
  }

  const unfollow = feed.follow(follow);
  await look();
  metrics.bounded('revocations', () => revocations.size, max);
  const timer = setInterval(lookAgain, options.lookEveryMs ?? LOOK_EVERY_MS);
  timer.unref();

  return {
    name: 'revocations',
    async revoke(order) {
      const toInsert = { ...order, revokedAtMs: clock() };
      const row = await ask((client) => insertRevocation(client, toInsert, bounds));
      if (row === undefined) throw full(bounds);
      const kept = keptOf(row);
      revocations.add(bodyOf(kept));
      await announce(bodyOf(kept));
      return kept;
    },
    async list(tenant, { before, limit }) {
      const rows = await ask((client) => selectRevocationsOfTenant(client, tenant, before, limit));
      return rows.map(keptOf);
    },
    async stop() {
      unfollow();
      clearInterval(timer);
      await looking;
    },
  };
}

function keptOf(row: RevocationRow): KeptRevocation {
  const { id, tenant, target, name, revoked_at_ms, expires_at_ms, revoked_by } = row;
  const expiresAtMs = expires_at_ms ?? undefined;
  return {
    id,
    tenant,
    target,
    name,
    revokedAtMs: revoked_at_ms,
    expiresAtMs,
    revokedBy: revoked_by,
  };
}

function bodyOf({ tenant, target, name, revokedAtMs, expiresAtMs }: KeptRevocation): RevokedBody {
  return {
    tenant,
    ...(target === 'subject' ? { subject: name } : { tokenId: name }),
    revokedAtMs,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
  };
}

function full({ max, tenantMax }: { max: number; tenantMax: number }): TailraceError {
  return new TailraceError(
    'overloaded',
    `There are as many revocations as may be, ${max} in all and ${tenantMax} of a tenant. Set JWT_LIFETIME_MAX, or ` +
      'give expires_at, so that they are forgotten when their tokens are over.',
  );
}
