// The log of decisions on a real database, whose connections a relay can cut.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { type Database, driverOptions, openDatabase } from '../sql/connection.ts';
import type { DecisionRow } from '../sql/statements/insertDecisions.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { eventually } from '../test/program.ts';
import type { Recordable } from './decision-queue.ts';
import { type DecisionLogOptions, openDecisionLog } from './decisions.ts';

const log = createLog('silent');
const START_MS = Date.UTC(2026, 10, 1);

interface TestDecision extends Recordable {
  readonly id: string;
  readonly subject: string;
}

let count = 0;
function decision(
  options: { tenant?: string; allow?: boolean; subject?: string; nowMs?: number } = {},
): TestDecision {
  count += 1;
  const { tenant = 'acme', allow = true, subject = 'ann', nowMs = START_MS + count } = options;
  const id = `d-${String(count).padStart(6, '0')}`;
  return { id, subject, input: { nowMs }, grant: { allow, tenant, selectors: [[]] } };
}

function rowOf({ id, subject, input, grant }: TestDecision): DecisionRow {
  return {
    ...{ id, time_us: input.nowMs * 1_000, tenant: grant.tenant, subject, action: 'range' },
    ...{ allowed: grant.allow, revision: '1', input: { now: input.nowMs } },
    ...{ result: { reason: 'role viewer may range' }, duration_us: 10.5 },
  };
}

/** Stands between a database and its clients, and can cut them off. */
async function startRelay(url: string) {
  const { host = '', port } = driverOptions(url).pg;
  const target = host.startsWith('/')
    ? { path: `${host}/.s.PGSQL.${port}` }
    : { host, port: port ?? 0 };
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(target);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: relayPort } = server.address() as AddressInfo;
  const { user, database } = driverOptions(url).pg;
  return {
    url: `postgres://${user}@127.0.0.1:${relayPort}/${database}`,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

let test: TestDatabase;
let relay: Awaited<ReturnType<typeof startRelay>>;
let database: Database;
const ends: (() => Promise<void>)[] = [];

beforeAll(async () => {
  test = await openTestDatabase();
  relay = await startRelay(test.url);
  database = await openDatabase({ url: relay.url, embedded: test.database.embedded, log });
});
afterEach(async () => {
  relay.mend();
  for (const end of ends.splice(0)) await end();
  await test.database.writer.query('delete from tailrace.decision');
});
afterAll(async () => {
  await database.stop();
  await relay.stop();
  await test.dispose();
});

function open(options: Partial<DecisionLogOptions<TestDecision>> = {}) {
  const metrics = createMetrics();
  const decisions = openDecisionLog<TestDecision>({
    ...{ database, metrics, log, mode: 'all', rowOf, ...options },
  });
  ends.push(() => decisions.stop());
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await metrics.exposition())?.[1]);
  return { ...decisions, metric };
}

/** Ids of the rows that are there, the newest first. */
async function idsOf(decisions: ReturnType<typeof open>, filter = {}): Promise<string[]> {
  return (await decisions.list({ limit: 10_000, ...filter })).map(({ id }) => id);
}

describe('what is recorded', () => {
  it('is there as it was a moment later, without anybody asking for it to be written', async () => {
    const decisions = open();
    const one = decision({ allow: false });
    decisions.record(one);
    const rows = await eventually(
      () => decisions.list({ limit: 10 }),
      (found) => found.length > 0,
    );
    expect(rows).toEqual([rowOf(one)]);
  });

  it('is found newest first, by filters and page by page', async () => {
    const decisions = open();
    // Three at one moment: their ids tell them apart.
    const at = Array.from({ length: 30 }, (_, i) => START_MS + 1e9 + Math.floor(i / 3) * 1_000);
    const all = at.map((nowMs, i) =>
      decision({ nowMs, allow: i % 5 > 0, subject: i % 2 ? 'ann' : 'bob' }),
    );
    const foreign = decision({ tenant: 'zenith' });
    for (const one of [...all, foreign]) decisions.record(one);
    await decisions.flush(10_000);
    const newest = all.toReversed();
    const ids = (some: TestDecision[]) => some.map(({ id }) => id);
    const acme = { tenant: 'acme' };
    expect(await idsOf(decisions, acme)).toEqual(ids(newest));
    expect(await idsOf(decisions)).toHaveLength(31);
    const cases: [object, (one: TestDecision) => boolean][] = [
      [{ subject: 'bob' }, ({ subject }) => subject === 'bob'],
      [{ allowed: false }, ({ grant }) => !grant.allow],
      [{ allowed: true, subject: 'ann' }, (one) => one.grant.allow && one.subject === 'ann'],
      [{ id: all[7]?.id }, ({ id }) => id === all[7]?.id],
      [{ action: 'tail' }, () => false],
      [
        { startUs: at[3]! * 1_000, endUs: at[9]! * 1_000 },
        ({ input: { nowMs } }) => nowMs >= at[3]! && nowMs < at[9]!,
      ],
    ];
    for (const [filter, holds] of cases) {
      expect(await idsOf(decisions, { ...acme, ...filter })).toEqual(ids(newest.filter(holds)));
    }
    const paged: string[] = [];
    let before: { timeUs: number; id: string } | undefined;
    for (;;) {
      const page = await decisions.list({ ...acme, before, limit: 4 });
      paged.push(...page.map(({ id }) => id));
      // What is decided meanwhile moves nothing.
      decisions.record(decision({ nowMs: START_MS + 2e9 }));
      await decisions.flush(10_000);
      const last = page.at(-1);
      if (last === undefined) break;
      before = { timeUs: last.time_us, id: last.id };
    }
    expect(paged).toEqual(ids(newest));
  });

  it.each([
    ['all', [true, false]],
    ['denied', [false]],
    ['off', []],
  ] as const)('is what the mode %s asks for', async (mode, expected) => {
    const decisions = open({ mode });
    decisions.record(decision({ allow: false }));
    decisions.record(decision());
    await decisions.flush(10_000);
    const rows = await decisions.list({ limit: 10 });
    expect(rows.map(({ allowed }) => allowed)).toEqual(expected);
  });

  it('is written to the last when the log stops, and lost afterwards', async () => {
    const decisions = open();
    for (let i = 0; i < 1_200; i++) decisions.record(decision());
    await decisions.stop();
    expect(await idsOf(decisions)).toHaveLength(1_200);
    decisions.record(decision());
    expect(await decisions.metric('tailrace_policy_decisions_lost_total')).toBe(1);
  });

  it('is written once, though nobody heard of the first time', async () => {
    const decisions = open();
    const one = decision();
    decisions.record(one);
    await decisions.flush(10_000);
    decisions.record(one);
    decisions.record(decision());
    await decisions.flush(10_000);
    expect(await idsOf(decisions)).toHaveLength(2);
  });
});

describe('a decision that fits in no queue', () => {
  it('shows as a gap, though nothing else is recorded', async () => {
    const decisions = open({ queueMax: 0 });
    decisions.record(decision());
    const sinceMs = performance.now();
    await decisions.flush(20_000);
    expect(performance.now() - sinceMs).toBeLessThan(15_000);
    const rows = await decisions.list({ limit: 10 });
    expect(rows).toMatchObject([{ action: 'gap', tenant: 'acme', result: { lost: 1 } }]);
  });
});

describe('without its database', () => {
  it('takes what its queue takes, counts the rest by tenant, and tells of the gap afterwards', async () => {
    const decisions = open({ queueMax: 200 });
    relay.cut();
    for (let i = 0; i < 100; i++) decisions.record(decision());
    // A tenant has no more places than are left for others.
    const others = Array.from({ length: 50 }, () => decision({ tenant: 'zenith' }));
    const lost = [
      ...Array.from({ length: 5 }, () => decision()),
      ...Array.from({ length: 7 }, () => decision({ tenant: 'zenith' })),
    ];
    for (const one of [...others, ...lost]) decisions.record(one);
    expect(await decisions.metric('tailrace_decision_queue_size')).toBe(150);
    expect(await decisions.metric('tailrace_decision_queue_max')).toBe(200);
    expect(await decisions.metric('tailrace_decision_gaps_size')).toBe(2);
    expect(await decisions.metric('tailrace_policy_decisions_lost_total')).toBe(12);
    await decisions.flush(200);
    await expect(decisions.list({ limit: 1 })).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    relay.mend();
    await decisions.flush(20_000);
    expect(await decisions.metric('tailrace_decision_queue_size')).toBe(0);
    expect(await idsOf(decisions)).toHaveLength(152);
    const gaps = (tenant: string) => decisions.list({ tenant, action: 'gap', limit: 10 });
    const [from, to] = [lost[0]?.input.nowMs, lost[4]?.input.nowMs];
    expect(await gaps('acme')).toEqual([
      expect.objectContaining({
        ...{ subject: null, allowed: false, time_us: (to ?? 0) * 1_000 },
        result: expect.objectContaining({ lost: 5, from, to }),
      }),
    ]);
    expect(await gaps('zenith')).toMatchObject([{ result: { lost: 7 } }]);
  });

  it('stops within its time, and counts what is left', async () => {
    const decisions = open({ drainMaxMs: 300 });
    relay.cut();
    for (let i = 0; i < 10; i++) decisions.record(decision());
    await decisions.stop();
    expect(await decisions.metric('tailrace_policy_decisions_lost_total')).toBe(10);
  });
});

describe('a row that cannot be', () => {
  const bad: [string, (one: TestDecision) => DecisionRow][] = [
    ['stored', (one) => ({ ...rowOf(one), input: { text: 'a\0b' } })],
    [
      'made',
      () => {
        throw new Error('no row');
      },
    ],
  ];
  it.each(bad)('%s is lost alone, and shows as a gap', async (_, badRow) => {
    const decisions = open({ rowOf: (one) => (one.subject === 'bad' ? badRow(one) : rowOf(one)) });
    for (let i = 0; i < 40; i++) decisions.record(decision({ subject: i === 17 ? 'bad' : 'ann' }));
    await decisions.flush(20_000);
    await eventually(
      () => decisions.list({ action: 'gap', limit: 10 }),
      (gaps) => gaps.length === 1,
    );
    expect(await idsOf(decisions, { subject: 'ann' })).toHaveLength(39);
    expect(await decisions.metric('tailrace_policy_decisions_lost_total')).toBe(1);
  });
});

it('is forgotten a month later, by the database’s own job', async () => {
  const decisions = open();
  const nowMs = Date.now();
  const days = (count: number) => nowMs - count * 86_400_000;
  for (const ms of [days(40), days(25), nowMs]) decisions.record(decision({ nowMs: ms }));
  await decisions.flush(10_000);
  const { rows } = await test.database.writer.query(
    `select job_id from timescaledb_information.jobs
     where proc_name = 'policy_retention' and hypertable_name = 'decision'`,
  );
  expect(rows).toHaveLength(1);
  await test.database.writer.query(`call run_job(${rows[0].job_id})`);
  const left = await decisions.list({ limit: 10 });
  expect(left.map((row) => row.time_us)).toEqual([nowMs * 1_000, days(25) * 1_000]);
});

it('does not make whoever decides wait, however many decisions there are', async () => {
  const decisions = open();
  const many = Array.from({ length: 200_000 }, () => decision());
  const sinceMs = performance.now();
  for (const one of many) decisions.record(one);
  const tookMs = performance.now() - sinceMs;
  expect(await decisions.metric('tailrace_policy_decisions_lost_total')).toBe(190_000);
  // Some 0.2 µs each on a quiet machine.
  expect(tookMs).toBeLessThan(2_000);
});
