// Letters whose replay was asked for, for the ingester that works them off: claimed by one at a time, and marked.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { Database } from '../sql/connection.ts';
import { type ClaimedLetter, claimReplays } from '../sql/statements/claimReplays.ts';
import { extendReplayClaims } from '../sql/statements/extendReplayClaims.ts';
import { type FinishedReplay, finishReplays } from '../sql/statements/finishReplays.ts';
import { selectReplayRequests } from '../sql/statements/selectReplaysWaiting.ts';
import { type Writable, withClient } from '../sql/transaction.ts';
import { isRefusal, storableText } from './dead-letters.ts';

export type { FinishedReplay, ReplayOutcome } from '../sql/statements/finishReplays.ts';

/** A letter as the message that it was. */
export interface LetterToReplay {
  readonly id: number;
  readonly message: InboundMessage;
}

export interface ReplayQueue {
  /** Claims some letters, the oldest requests first: for `leaseMs`, unless that is extended. */
  claim(): Promise<LetterToReplay[]>;
  /** Says that the claimant is still at work. */
  extend(ids: readonly number[]): Promise<void>;
  /** Gives back what was claimed and not worked off. */
  release(ids: readonly number[]): Promise<void>;
  /** Marks letters with what became of them, as long as they are still the claimant's. */
  finish(finished: readonly FinishedReplay[]): Promise<void>;
  readonly leaseMs: number;
}

export interface ReplayQueueOptions {
  readonly database: Pick<Database, 'writer' | 'embedded'>;
  /** Names the claimant among all processes. */
  readonly by: string;
  readonly leaseMs?: number;
  readonly lettersMax?: number;
}

/** A killed ingester's letters wait so long for another. */
const LEASE_MS = 30_000;
/** Together they are a small part of a batch: live messages go on beside them. */
const CLAIM_LETTERS_MAX = 200;
const CLAIM_BYTES_MAX = 4 * 1024 * 1024;

/** Makes the queue of one claimant. */
export function createReplayQueue(options: ReplayQueueOptions): ReplayQueue {
  const { database, by, leaseMs = LEASE_MS, lettersMax = CLAIM_LETTERS_MAX } = options;
  // Embedded there is one ingester: what is claimed by another is claimed by the dead.
  const claim = { by, leaseMs, lettersMax, bytesMax: CLAIM_BYTES_MAX, alone: database.embedded };
  /** As of how many requests nothing was left to claim, and when that was. */
  let seen = { requests: -1, atMs: Number.NEGATIVE_INFINITY };

  return {
    leaseMs,
    claim: () =>
      withClient(database, async (client) => {
        const requests = await selectReplayRequests(client);
        // The claims of the dead make no request: they are looked for now and then.
        const nowMs = performance.now();
        if (requests === seen.requests && nowMs - seen.atMs < leaseMs / 3) return [];
        const letters = await claimReplays(client, claim);
        if (letters.length === 0) seen = { requests, atMs: nowMs };
        return letters.map((letter) => ({ id: letter.id, message: messageOf(letter) }));
      }),
    extend: (ids) => withClient(database, (client) => extendReplayClaims(client, by, ids, leaseMs)),
    release: (ids) => withClient(database, (client) => extendReplayClaims(client, by, ids, 0)),
    finish: (finished) => finishGroup(database, by, finished.map(storable)),
  };
}

/** All, or those that the database takes: one that it refuses would have the others replayed without end. */
async function finishGroup(
  database: Writable,
  by: string,
  finished: readonly FinishedReplay[],
): Promise<void> {
  try {
    await withClient(database, (client) => finishReplays(client, by, finished));
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    const [one] = finished;
    if (finished.length > 1) {
      const half = finished.length >> 1;
      await finishGroup(database, by, finished.slice(0, half));
      await finishGroup(database, by, finished.slice(half));
    } else if (one?.fault !== undefined && one.fault.reason !== BARE_REASON) {
      const fault = { code: 'letter_unstorable', reason: BARE_REASON };
      await finishGroup(database, by, [{ ...one, fault }]);
    } else {
      throw cause;
    }
  }
}

const BARE_REASON = 'The database refused to keep why.';

function storable({ fault, ...finished }: FinishedReplay): FinishedReplay {
  if (fault === undefined) return finished;
  return { ...finished, fault: { ...fault, reason: storableText(fault.reason) } };
}

/** The time of receipt is the first one's, so that readings without a time stay where they were, however often. */
function messageOf(letter: ClaimedLetter): InboundMessage {
  const { topic, payload, received_us: receivedUs, content_type, properties } = letter;
  return {
    ...{ topic, payload, receivedUs, dup: false },
    ...(content_type === null ? {} : { contentType: content_type }),
    ...(properties === null ? {} : { userProperties: properties }),
  };
}
