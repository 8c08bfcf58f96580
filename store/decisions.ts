// The log of decisions: a bounded queue in front of a table. Whoever decides never waits for it and is never told of
// its failures; what does not fit is counted, and a row says so. A killed process loses what is queued, a second's worth.
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Metrics } from '../lib/metrics.ts';
import type { Database } from '../sql/connection.ts';
import type { DecisionRow } from '../sql/statements/insertDecisions.ts';
import { type DecisionFilter, selectDecisionRows } from '../sql/statements/selectDecisions.ts';
import { createDecisionQueue, type Recordable } from './decision-queue.ts';
import { createDecisionWriter } from './decision-writer.ts';
import { throwReadable } from './read-failure.ts';

/** What of the decisions is kept. */
export type DecisionLogMode = 'all' | 'denied' | 'off';

export type { DecisionFilter, DecisionRow };

/** What was decided, for reading. */
export interface DecisionReader {
  /** The newest first. @throws TailraceError `database_unavailable`. */
  list(filter: DecisionFilter): Promise<DecisionRow[]>;
  /** Resolves when what was recorded before is written, or after so many ms. */
  flush(timeoutMs: number): Promise<void>;
}

export interface DecisionLog<D> extends Part, DecisionReader {
  /** Takes a decision in. Costs less than a microsecond, never waits, never throws. */
  record(decision: D): void;
}

export interface DecisionLogOptions<D> {
  readonly database: Database;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly mode: DecisionLogMode;
  /** The row of a decision. It is made when the row is written, not when the decision is taken. */
  readonly rowOf: (decision: D) => DecisionRow;
  /** Decisions that may wait. */
  readonly queueMax?: number;
  /** How long `stop` waits for what is queued. */
  readonly drainMaxMs?: number;
}

/** A tenant has half of it at most, and half of the selectors. */
const QUEUE_MAX = 20_000;
/** Some 50 MB of them. */
const QUEUED_SELECTORS_MAX = 250_000;
const GAPS_MAX = 1_000;
const DRAIN_MAX_MS = 5_000;

/** Opens the log. Decisions may be recorded at once; they are written when the database answers. */
export function openDecisionLog<D extends Recordable>(
  options: DecisionLogOptions<D>,
): DecisionLog<D> {
  const { database, metrics, mode, queueMax = QUEUE_MAX, drainMaxMs = DRAIN_MAX_MS } = options;
  const limits = { decisions: queueMax, selectors: QUEUED_SELECTORS_MAX, gaps: GAPS_MAX };
  const queue = createDecisionQueue<D>(limits);
  const lost = metrics.counter(
    'tailrace_policy_decisions_lost_total',
    'decisions that could not be recorded',
  );
  metrics.bounded('decision_queue', () => queue.size, queueMax);
  metrics.bounded('decision_queue_selectors', () => queue.selectors, QUEUED_SELECTORS_MAX);
  metrics.bounded('decision_gaps', () => queue.gaps, GAPS_MAX + 1);
  const writer = createDecisionWriter(queue, { ...options, onLost: (count) => lost.inc(count) });

  function record(decision: D): void {
    if (mode === 'off' || (mode === 'denied' && decision.grant.allow)) return;
    if (!writer.isOpen()) {
      lost.inc();
      return;
    }
    if (!queue.push(decision)) lost.inc();
    // A loss, too, is something to write.
    writer.wake();
  }

  let stopping: Promise<void> | undefined;
  return {
    name: 'decision log',
    record,
    flush: (timeoutMs) => writer.flush(timeoutMs),
    list: (filter) => listDecisions(database, filter),
    stop() {
      stopping ??= writer.close(drainMaxMs);
      return stopping;
    },
  };
}

/**
 * Decisions that were recorded, the newest first.
 * @throws TailraceError `database_unavailable`, `database_not_migrated`.
 */
export async function listDecisions(
  database: Database,
  filter: DecisionFilter,
): Promise<DecisionRow[]> {
  return selectDecisionRows(database.reader, filter).catch(throwReadable);
}
