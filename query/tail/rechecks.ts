// When which connection is decided again. A change of the rules or a revocation counts for all connections at once, by
// a number that grows: who was decided under an earlier one is sent nothing. Then they take their turns, in slices so
// short that everything else goes on between them.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Log } from '../../lib/log.ts';
import { DURATION_BUCKETS_S, type Metrics } from '../../lib/metrics.ts';
import type { Policy } from '../../policies/decide/decision.ts';
import type { Revocations } from '../../policies/tokens/revocations.ts';

/** A turn of re-decisions; one takes some 30 µs. */
const SLICE_MS = 5;
/** Setups that run at one time: each may read a snapshot. */
const SETUPS_MAX = 8;

/** A connection, as whoever calls it for its turn sees it. */
export interface Rechecked {
  /** Ends what is over and decides again where that is due. Short, and never throws. */
  settle(): void;
  /** What a changed decision leaves to be done that takes longer; never rejects. */
  complete(): Promise<void>;
}

export interface Rechecks {
  /** Grows with every change of the rules. */
  readonly rules: number;
  /** Grows with every revocation. */
  readonly revocations: number;
  join(one: Rechecked): void;
  leave(one: Rechecked): void;
  /** Has `settle` called in its turn. */
  settleSoon(one: Rechecked): void;
  /** Has `complete` called in its turn, after everyone is settled. */
  completeSoon(one: Rechecked): void;
  /** Connections that wait for their turn to be settled, and to be completed. */
  readonly waiting: { readonly settling: number; readonly completing: number };
  stop(): void;
}

export interface RechecksOptions {
  readonly policy: Policy;
  readonly revocations: Revocations;
  readonly connectionsMax: number;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Makes the function that completes those in a set, a few at a time, until none is left. */
function completer(incomplete: Set<Rechecked>, log: Log): () => void {
  let running = 0;

  async function completeAll(): Promise<void> {
    for (const one of incomplete) {
      incomplete.delete(one);
      await one.complete();
      await nextTurn();
    }
  }

  return () => {
    while (running < SETUPS_MAX && incomplete.size > 0) {
      running += 1;
      completeAll()
        .catch((cause: unknown) => log.error({ err: cause }, 'a tail could not be set up again'))
        .finally(() => {
          running -= 1;
        });
    }
  };
}

/** Settles whoever waits, and whoever comes meanwhile; `onSlice` is called before each slice. */
async function settleAll(unsettled: Set<Rechecked>, onSlice: () => void): Promise<void> {
  let endsMs = 0;
  for (const one of unsettled) {
    if (performance.now() >= endsMs) {
      await nextTurn();
      onSlice();
      endsMs = performance.now() + SLICE_MS;
    }
    unsettled.delete(one);
    one.settle();
  }
}

/** Begins to listen for changes. */
export function createRechecks(options: RechecksOptions): Rechecks {
  const { policy, revocations, connectionsMax, metrics, log } = options;
  const joined = new Set<Rechecked>();
  const unsettled = new Set<Rechecked>();
  const incomplete = new Set<Rechecked>();
  const startCompleting = completer(incomplete, log);
  let rules = 0;
  let revoked = 0;
  let changedMs: number | undefined;
  let isSettling = false;
  /** True while nobody had a turn since all were told to wait. */
  let allWait = false;
  metrics.bounded('tail_rechecks', () => unsettled.size, connectionsMax);
  metrics.bounded('tail_setups', () => incomplete.size, connectionsMax);
  const seconds = metrics.histogram(
    'tailrace_tail_recheck_seconds',
    'time from a change of rules or a revocation to the last tail that was decided again',
    DURATION_BUCKETS_S,
  );

  function startSettling(): void {
    isSettling = true;
    const onSlice = () => {
      allWait = false;
    };
    settleAll(unsettled, onSlice)
      .then(() => {
        if (changedMs !== undefined) seconds.observe((performance.now() - changedMs) / 1_000);
        changedMs = undefined;
      })
      .catch((cause: unknown) => log.error({ err: cause }, 'tails could not be decided again'))
      .finally(() => {
        isSettling = false;
        // Also where all who waited left before their turn.
        allWait = false;
        run();
      });
  }

  function run(): void {
    if (isSettling) return;
    if (unsettled.size > 0) startSettling();
    else startCompleting();
  }

  function changed(): void {
    changedMs ??= performance.now();
    // Of many revocations that come at once only the first has to say so.
    if (!allWait) for (const one of joined) unsettled.add(one);
    allWait = unsettled.size > 0;
    run();
  }

  const ends = [
    policy.onChange(() => {
      rules += 1;
      changed();
    }),
    revocations.onAdded(() => {
      revoked += 1;
      changed();
    }),
  ];

  return {
    get rules() {
      return rules;
    },
    get revocations() {
      return revoked;
    },
    join: (one) => void joined.add(one),
    leave(one) {
      for (const those of [joined, unsettled, incomplete]) those.delete(one);
    },
    settleSoon(one) {
      unsettled.add(one);
      run();
    },
    completeSoon(one) {
      incomplete.add(one);
      run();
    },
    get waiting() {
      return { settling: unsettled.size, completing: incomplete.size };
    },
    stop() {
      for (const end of ends) end();
    },
  };
}
