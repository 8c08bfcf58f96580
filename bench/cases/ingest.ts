// Ingest: mosquitto → subscription → ingester → writer → database, with rollups maintained beside it. Payloads of many
// readings are held against a bare COPY of the same rows, single readings against a bare MQTT subscriber. Publishing
// is done by a process of its own, on the same cores, alike for both halves of a pair that has it.

import { FLUSH_LIMITS, flushLimits } from '../../ingest/flush-rule.ts';
import { createIngester } from '../../ingest/ingester.ts';
import { systemClock } from '../../lib/clock.ts';
import { startSubscription } from '../../lib/mqtt/subscription.ts';
import { insertDeadLetters } from '../../store/dead-letters.ts';
import { startRefresher } from '../../store/refresher.ts';
import { createWriter, type Writer } from '../../store/writer.ts';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { type Countdown, createCountdown } from '../countdown.ts';
import { type BareSubscriber, startBareSubscriber } from '../services/bare-subscriber.ts';
import { type Broker, startBroker } from '../services/mosquitto.ts';
import { type Publisher, startPublisher } from '../services/publisher.ts';
import { copyBatches, createSeries, encodeBatches, type Ground, prepareGround } from '../setup.ts';
import { durationMs, readingsOf, rowsOf, type Workload } from '../workload.ts';

const SERIES = 1_000;
/** A thousand series at this interval make 200,000 readings a second: data time goes by about as fast as the clock. */
const STEP_MS = 5;
/** How far the refresher stays behind the clock: near, so that a run of seconds has rollups to maintain. */
const REFRESH_LAG_MS = 5_000;
const TAILRACE_ROOT = 't';
const BARE_ROOT = 'b';

/** Everything that a run needs. */
interface Bench {
  readonly ground: Ground;
  readonly seriesIds: Int32Array;
  readonly publisher: Publisher;
  readonly bare: BareSubscriber;
  readonly acknowledged: Countdown;
  /** Readings that the writer has inserted so far. */
  readonly inserted: () => number;
  /** Gives the next workload of a shape: later times than all before, so that no row meets another. */
  next(shape: Shape): Workload;
}

type Shape = Pick<Workload, 'form' | 'messages' | 'readingsPerMessage'>;

/** Starts database, broker, publisher and the whole path between them. */
export async function openIngest(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  const broker = context.lifecycle.add(await startBroker());
  const bench = await startBench(ground, broker, context);
  return {
    cases: casesOf(bench, context.quick),
    versions: { ...ground.versions, mosquitto: broker.version },
  };
}

function casesOf(bench: Bench, quick: boolean): BenchCase[] {
  const hundreds = quick ? 2_000 : 10_000;
  const values: Shape = { form: 'values', messages: hundreds, readingsPerMessage: 100 };
  const points: Shape = { form: 'points', messages: hundreds, readingsPerMessage: 100 };
  const single: Shape = {
    form: 'value',
    messages: quick ? 20_000 : 100_000,
    readingsPerMessage: 1,
  };
  const againstCopy = (name: string, shape: Shape): BenchCase => ({
    name: `ingest/${name}`,
    unit: 'readings/s',
    better: 'more',
    target: { kind: 'ratio', min: 0.6 },
    run: () => ingestAll(bench, bench.next(shape)),
    ceiling: {
      name: `binary COPY of the same rows, ${FLUSH_LIMITS.rowsMax} a batch, one connection`,
      run: () => copyAll(bench, bench.next(shape)),
    },
  });
  return [
    againstCopy('100 channels a message', values),
    againstCopy('100 points a message', points),
    {
      name: 'ingest/single readings',
      unit: 'messages/s',
      better: 'more',
      target: { kind: 'ratio', min: 0.6 },
      run: () => ingestAll(bench, bench.next(single)),
      ceiling: {
        name: 'bare MQTT.js subscriber of the same messages',
        run: () => receiveAll(bench, bench.next(single)),
      },
    },
  ];
}

/** Readings a second from the first publish to the last acknowledgement. */
async function ingestAll(bench: Bench, workload: Workload): Promise<number> {
  await bench.publisher.prepare(workload, TAILRACE_ROOT);
  const before = bench.inserted();
  const startMs = performance.now();
  await Promise.all([bench.acknowledged.next(workload.messages), bench.publisher.publish()]);
  const rate = perSecond(readingsOf(workload), startMs);
  const stored = bench.inserted() - before;
  if (stored !== readingsOf(workload)) {
    throw new Error(`${readingsOf(workload)} readings were sent and ${stored} inserted`);
  }
  return rate;
}

/** Rows a second by COPY alone: rows are encoded before the clock starts. */
async function copyAll(bench: Bench, workload: Workload): Promise<number> {
  const batches = encodeBatches(rowsOf(workload), bench.seriesIds, FLUSH_LIMITS.rowsMax);
  const startMs = performance.now();
  await copyBatches(bench.ground.database, batches);
  return perSecond(readingsOf(workload), startMs);
}

/** Messages a second that a subscriber takes that does nothing with them. */
async function receiveAll(bench: Bench, workload: Workload): Promise<number> {
  await bench.publisher.prepare(workload, BARE_ROOT);
  const startMs = performance.now();
  await Promise.all([bench.bare.receive(workload.messages), bench.publisher.publish()]);
  return perSecond(workload.messages, startMs);
}

function perSecond(count: number, startMs: number): number {
  return (count * 1000) / (performance.now() - startMs);
}

/** Starts the whole path, as the program puts it together. */
async function startBench(
  ground: Ground,
  broker: Broker,
  { log, lifecycle }: BenchContext,
): Promise<Bench> {
  const { database, feed, metrics, catalogue } = ground;
  const publisher = lifecycle.add(await startPublisher(broker.port));
  const seriesIds = await createSeries(ground, SERIES, Date.now() * 1000);
  const clock = systemClock;
  lifecycle.add(startRefresher({ database, log, metrics, clock, lagMs: REFRESH_LAG_MS }));
  const writer = createWriter({ database, log, metrics });
  lifecycle.add({ name: 'writer', stop: () => writer.stop() });
  const counted = countInserted(writer);
  const ingester = lifecycle.add(
    createIngester({
      catalogue,
      writer: counted,
      insertDeadLetters: (letters) => insertDeadLetters(database, letters),
      feed,
      metrics,
      log,
      clock,
      limits: flushLimits(database),
    }),
  );
  const acknowledged = createCountdown();
  const subscription = lifecycle.add(
    startSubscription({
      url: broker.url,
      clientId: 'tailrace-bench',
      filters: [`${TAILRACE_ROOT}/#`],
      handler: (message, acknowledge) =>
        ingester.handle(message, () => {
          acknowledge();
          acknowledged.count();
        }),
      metrics,
      log,
      clock,
    }),
  );
  const bare = lifecycle.add(await startBareSubscriber(broker.url, BARE_ROOT));
  await subscription.ready;
  let freeMs = 0;
  return {
    ground,
    seriesIds,
    publisher,
    bare,
    acknowledged,
    inserted: counted.inserted,
    next(shape) {
      const startMs = Math.max(Date.now(), freeMs);
      const workload: Workload = { ...shape, series: SERIES, startMs, stepMs: STEP_MS };
      freeMs = startMs + durationMs(workload);
      return workload;
    },
  };
}

/** A writer, and how many readings it has inserted. */
function countInserted(writer: Writer): Pick<Writer, 'write'> & { inserted: () => number } {
  let inserted = 0;
  return {
    inserted: () => inserted,
    async write(batch) {
      const outcome = await writer.write(batch);
      inserted += outcome.inserted;
      return outcome;
    },
  };
}
