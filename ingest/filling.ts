// The batch that is filling, and the messages that wait for the next one. Messages of one tenant go straight into the
// batch; where several send, they go through a queue that gives each its share of every batch.
import type { Clock } from '../lib/clock.ts';
import type { InboundMessage } from '../lib/mqtt/message.ts';
import { type Batch, createBatch, MESSAGE_BYTES } from './batch.ts';
import type { Fault } from './fault.ts';
import { contendedRows, type FlushLimits, isFull } from './flush-rule.ts';
import { createFairQueue } from './guards/fair-queue.ts';
import type { ReadingsQuota } from './guards/readings-quota.ts';
import type { OutcomeTally } from './message-outcome.ts';
import type { MessageReader } from './reader.ts';
import type { Topic } from './series-lookup.ts';

/** A message on its way into a batch. */
interface Arrival {
  readonly message: InboundMessage;
  readonly acknowledge: () => void;
  readonly topic: Topic;
  readonly more: AddOptions;
}

export interface Filling {
  readonly batch: Batch;
  /** Whether the batch has all that it should have. */
  readonly full: boolean;
  /** Whether several tenants have sent lately. */
  readonly contended: boolean;
  /** Messages that wait for the next batch. */
  readonly waiting: number;
  /** Of all that was added and not swapped out, roughly. */
  readonly bytes: number;
  /** When the oldest in the batch was added, in ms since 1970. */
  readonly openedMs: number;
  /** Adds a message of a topic; a `fault` makes a dead letter of it, unread. */
  add(topic: Topic, message: InboundMessage, acknowledge: () => void, more?: AddOptions): void;
  /** Gives the batch away, and goes on with another, beginning with what waits. */
  swap(): Batch;
  /** Takes a batch back that is done with. */
  giveBack(batch: Batch): void;
  /** Says how long some rows took to be committed. */
  noteCommit(rows: number, ms: number): void;
}

export interface AddOptions {
  readonly tally?: OutcomeTally | undefined;
  readonly fault?: Fault | undefined;
}

const NOTHING_MORE: AddOptions = {};
/** How long several tenants count as sending together after the last change from one to another. */
const CONTENDED_FOR_MS = 1_000;
/** Of a contended batch, what each tenant may have before the others have had as much. */
const QUANTUM = 250;
/** Until something is measured. */
const ROWS_PER_MS_FIRST = 100;
/** Commits of fewer rows tell little of how fast rows are committed. */
const TELLING_ROWS = 200;

/** Makes an empty one. */
export function createFilling(
  read: MessageReader,
  limits: FlushLimits,
  clock: Clock,
  quota?: ReadingsQuota,
): Filling {
  const queue = createFairQueue<Arrival>(QUANTUM);
  const spares: Batch[] = [];
  let batch = createBatch();
  let queuedBytes = 0;
  let openedMs = 0;
  let lastTenant: string | undefined;
  let contendedUntilMs = Number.NEGATIVE_INFINITY;
  let contended = false;
  let rowsPerMs = ROWS_PER_MS_FIRST;
  let bounds: Pick<FlushLimits, 'rowsMax' | 'bytesMax'> = limits;

  function noteTenant(tenant: string): void {
    if (tenant === lastTenant) return;
    if (lastTenant !== undefined) {
      contendedUntilMs = clock() + CONTENDED_FOR_MS;
      contended = true;
      bounds = { ...limits, rowsMax: contendedRows(rowsPerMs, limits) };
    }
    lastTenant = tenant;
  }

  function readInto(
    topic: Topic,
    message: InboundMessage,
    acknowledge: () => void,
    more: AddOptions,
  ): number {
    if (batch.messages.length === 0) openedMs = clock();
    const readings = read(batch, topic, message, acknowledge, more);
    if (quota !== undefined && more.fault === undefined) quota.take(topic.tenant, readings);
    return readings;
  }

  /** Moves what waits into the batch, as far as there is room. */
  function refill(): void {
    while (queue.size > 0 && !isFull(batch, limits)) {
      const next = queue.take(isFull(batch, bounds));
      if (next === undefined) return;
      queuedBytes -= bytesOf(next.message);
      const { topic, message, acknowledge, more } = next;
      queue.charge(Math.max(1, readInto(topic, message, acknowledge, more)));
    }
  }

  return {
    get batch() {
      return batch;
    },
    get full() {
      return isFull(batch, bounds);
    },
    get contended() {
      return contended;
    },
    get waiting() {
      return queue.size;
    },
    get bytes() {
      return batch.bytes + queuedBytes;
    },
    get openedMs() {
      return openedMs;
    },
    add(topic, message, acknowledge, more = NOTHING_MORE) {
      noteTenant(topic.tenant);
      const waits = contended || queue.size > 0 || isFull(batch, bounds);
      if (!waits || more.fault !== undefined) {
        readInto(topic, message, acknowledge, more);
        return;
      }
      queue.push(topic.tenant, { topic, message, acknowledge, more });
      queuedBytes += bytesOf(message);
      refill();
    },
    swap() {
      const swapped = batch;
      batch = spares.pop() ?? createBatch();
      contended = clock() < contendedUntilMs;
      bounds = contended ? { ...limits, rowsMax: contendedRows(rowsPerMs, limits) } : limits;
      queue.open();
      refill();
      return swapped;
    },
    giveBack(done) {
      done.clear();
      spares.push(done);
    },
    noteCommit(rows, ms) {
      if (rows < TELLING_ROWS) return;
      // A mean that follows within some ten commits.
      rowsPerMs += (rows / Math.max(ms, 1) - rowsPerMs) / 8;
    },
  };
}

function bytesOf(message: InboundMessage): number {
  return message.payload.length + MESSAGE_BYTES;
}
