// Replay on a real database, through the real pipeline.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRing } from '../lib/feed/ring.ts';
import { createLifecycle, type Lifecycle } from '../lib/lifecycle.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import type { InboundMessage } from '../lib/mqtt/message.ts';
import { openCatalogue } from '../store/catalogue.ts';
import { insertDeadLetters } from '../store/dead-letters.ts';
import {
  discardDeadLetters,
  listDeadLetters,
  requestAllReplays,
} from '../store/dead-letters-list.ts';
import { createReplayQueue, type ReplayQueue } from '../store/dead-letters-replay.ts';
import { createWriter } from '../store/writer.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import { withOwners } from './dead-letters.ts';
import { createIngester, type Ingester } from './ingester.ts';
import { type ReplayWorker, type ReplayWorkerOptions, startReplayWorker } from './replay.ts';
import { DEFAULT_RULES, type LiveTopicRules, type TopicRules } from './topics/rules.ts';

const log = createLog('silent');
const T0_MS = Date.UTC(2026, 0, 10);

let test: TestDatabase;
let lifecycle: Lifecycle;
let ingester: Ingester;
let metrics: Metrics;
let rules: { put(next: TopicRules): void };
const workers: ReplayWorker[] = [];
let received = 0;

function changeableRules(): LiveTopicRules & { put(next: TopicRules): void } {
  const listeners = new Set<(next: TopicRules) => void>();
  let current = DEFAULT_RULES;
  return {
    current: () => current,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    put(next) {
      current = next;
      for (const listener of listeners) listener(next);
    },
  };
}

/** The default rule, and one that gives some topics to a channel. */
function also(targets: Readonly<Record<string, string>>): TopicRules {
  return {
    ...DEFAULT_RULES,
    match(topic) {
      const channel = targets[topic];
      if (channel === undefined) return DEFAULT_RULES.match(topic);
      const target = { tenant: 'acme', asset: 'rig-1', channel, labels: {} };
      return { kind: 'target', target, rule: 'test' };
    },
  };
}

beforeAll(async () => {
  test = await openTestDatabase();
  lifecycle = createLifecycle(log);
  metrics = createMetrics();
  const { database } = test;
  const feed = lifecycle.add(createRing({ recordsMax: 1_000, pointsMax: 100_000, metrics }));
  const catalogue = lifecycle.add({
    name: 'catalogue',
    ...(await openCatalogue({ database, feed, metrics, log })),
  });
  const writer = lifecycle.add({ name: 'writer', ...createWriter({ database, log, metrics }) });
  const topicRules = changeableRules();
  rules = topicRules;
  ingester = lifecycle.add(
    createIngester({
      ...{ catalogue, writer, feed, metrics, log, clock: () => T0_MS, topicRules },
      insertDeadLetters: (letters) =>
        insertDeadLetters(database, withOwners(letters, topicRules.current())),
    }),
  );
});

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.stop();
  await discardDeadLetters(test.database, {}, 1_000);
  await test.database.writer.query('truncate tailrace.reading, tailrace.state_reading');
  rules.put(DEFAULT_RULES);
});

afterAll(async () => {
  await lifecycle.stop();
  await test.dispose();
});

/** Takes messages in and waits for their acknowledgements. */
async function receive(messages: readonly (readonly [string, string, object?])[]): Promise<void> {
  await Promise.all(
    messages.map(
      ([topic, text, of = {}]) =>
        new Promise<void>((resolve) => {
          const payload = Buffer.from(text);
          const receivedUs = T0_MS * 1_000 + received++;
          void ingester.handle({ topic, payload, receivedUs, dup: false, ...of }, resolve);
        }),
    ),
  );
}

function startWorker(of: Partial<ReplayWorkerOptions> = {}) {
  const queue = createReplayQueue({ database: test.database, by: 'worker' });
  const replay = (message: InboundMessage) => ingester.replay(message);
  const common = { queue, replay, metrics: createMetrics(), log, pollMs: 20 };
  const worker = startReplayWorker({ ...common, ...of });
  workers.push(worker);
  return worker;
}

const letters = async () => (await listDeadLetters(test.database, {}, 1_000)).letters.toReversed();

/** Asks for the replay of all letters and waits until none is left to do. */
async function replayAll(): Promise<void> {
  await requestAllReplays(test.database, { unsettled: true }, 1_000);
  await eventually(letters, (found) => found.every(({ replayed_ms }) => replayed_ms !== null));
}

async function readings(): Promise<unknown[]> {
  const { rows } = await test.database.writer.query(
    `select channel, (extract(epoch from time) * 1000000)::int8::text as us, value::text
     from tailrace.series join (select * from tailrace.reading union all
       select series_id, time, 0, quality from tailrace.state_reading) r on r.series_id = id
     order by channel, time`,
  );
  return rows.map(({ channel, us, value }) => [channel, Number(us) - T0_MS * 1_000, value]);
}

describe('a letter that is replayed', () => {
  it('is stored where rules take its topic now, at the time of its receipt or of its properties', async () => {
    const userProperties = { time: String(T0_MS / 1_000 - 60) };
    await receive([
      ['plant/acme/flow', '1.5'],
      ['plant/acme/flow', '2.5', { userProperties }],
      ['t/acme/rig-1/kind', '1'],
    ]);
    await receive([['t/acme/rig-1/kind', '"open"']]);
    const before = await letters();
    expect(before.map(({ code, asset }) => [code, asset])).toEqual([
      ['no_rule', null],
      ['no_rule', null],
      ['kind_changed', 'rig-1'],
    ]);
    rules.put(also({ 'plant/acme/flow': 'flow', 't/acme/rig-1/kind': 'kind/state' }));
    startWorker();
    await replayAll();
    expect(await letters()).toMatchObject(
      before.map(({ id }) => ({ id, outcome: 'inserted', attempts: 1, outcomes: { inserted: 1 } })),
    );
    expect(await readings()).toEqual([
      ['flow', -60_000_000, '2.5'],
      ['flow', 0, '1.5'],
      ['kind', 2, '1'],
      ['kind/state', 3, '0'],
    ]);
    expect(await metrics.exposition()).toContain('outcome="received"} 7');
  });

  it('stays where it fails again, with its new reason, and can be asked for again', async () => {
    await receive([
      ['t/acme/rig-1/a', 'nonsense'],
      ['plant/x', 'nonsense'],
    ]);
    rules.put(also({ 'plant/x': 'x' }));
    startWorker();
    await replayAll();
    await replayAll();
    expect(await letters()).toMatchObject([
      { code: 'payload_not_json', outcome: 'dead_lettered', attempts: 2 },
      { code: 'payload_not_json', outcome: 'dead_lettered', attempts: 2 },
    ]);
  });

  it('of which some was stored at once is duplicates and what is still dead', async () => {
    await receive([['t/acme/rig-1/m', '{"good":1,"bad":1e999,"void":null}']]);
    startWorker();
    await replayAll();
    expect(await letters()).toMatchObject([
      {
        outcome: 'dead_lettered',
        outcomes: { inserted: 0, duplicate: 1, corrected: 0, dead_lettered: 1, ignored: 1 },
        readings: 1,
      },
    ]);
  });

  it('is replayed again after a crash between commit and mark, and makes duplicates only', async () => {
    await receive([['plant/x', '1']]);
    rules.put(also({ 'plant/x': 'x' }));
    await requestAllReplays(test.database, { unsettled: true }, 1);
    const queue = createReplayQueue({ database: test.database, by: 'killed', leaseMs: 300 });
    const killed: ReplayQueue = { ...queue, finish: () => Promise.reject(new Error('killed')) };
    let failed = 0;
    // A log's type is that of a whole pino; the worker only warns here.
    const silent = { ...log, warn: () => failed++ } as unknown as typeof log;
    const worker = startWorker({ queue: killed, log: silent });
    await eventually(async () => failed, Boolean);
    await worker.stop();
    expect(await readings()).toHaveLength(1);
    const database = test.database;
    startWorker({ queue: createReplayQueue({ database, by: 'next', leaseMs: 300 }) });
    const [letter] = await eventually(letters, ([one]) => one?.outcome !== null);
    expect(letter).toMatchObject({ outcome: 'duplicate', attempts: 1 });
    expect(await readings()).toHaveLength(1);
  });
});

it('gives each letter to one of several workers, whoever is first', async () => {
  await receive(Array.from({ length: 60 }, (_, i) => [`plant/${i}`, String(i)] as const));
  const taken: string[] = [];
  const replay = (message: InboundMessage) => {
    taken.push(message.topic);
    return ingester.replay(message);
  };
  // As on a server of its own, where ingesters share the table.
  const database = { writer: test.database.writer, embedded: false };
  for (const by of ['one', 'other']) {
    startWorker({ queue: createReplayQueue({ database, by, lettersMax: 7 }), replay });
  }
  await replayAll();
  expect(taken).toHaveLength(60);
  expect(new Set(taken).size).toBe(60);
});

it('looks at once when it is woken', async () => {
  await receive([['plant/x', '1']]);
  const worker = startWorker({ pollMs: 3_600_000 });
  await requestAllReplays(test.database, { unsettled: true }, 1);
  // It may be looking just now, and see nothing yet.
  worker.wake();
  await eventually(letters, ([one]) => one?.outcome === 'dead_lettered');
});

it('gives back what it could not finish when it is stopped', async () => {
  await receive([['plant/x', '1']]);
  await requestAllReplays(test.database, { unsettled: true }, 1);
  let given = 0;
  const replay = () => {
    given++;
    return new Promise<never>(() => {});
  };
  const worker = startWorker({ replay, drainMaxMs: 20 });
  await eventually(async () => given, Boolean);
  await worker.stop();
  const database = { writer: test.database.writer, embedded: false };
  expect(await createReplayQueue({ database, by: 'next' }).claim()).toHaveLength(1);
});

it('a letter is seen by the tenant that the rules name, and not by one whose name stands in the topic', async () => {
  rules.put(also({ 'plants/oslo/rig-1/mud': 'mud' }));
  await receive([
    ['plants/oslo/rig-1/mud', '{"a"'],
    ['plants/oslo/rig-2/mud', '1'],
  ]);
  const seen = async (name: string) => {
    const filter = { tenant: { name, andNone: false } };
    const { letters: found } = await listDeadLetters(test.database, filter, 10);
    return found.map(({ topic, asset }) => [topic, asset]);
  };
  expect(await seen('acme')).toEqual([['plants/oslo/rig-1/mud', 'rig-1']]);
  // Which no rule takes.
  expect(await seen('oslo')).toEqual([['plants/oslo/rig-2/mud', null]]);
});
