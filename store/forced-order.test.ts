// Two writers and a refresher on a real database, in orders that are forced: each takes one transaction or statement at
// a time, when it is its turn. (interleaving.test.ts goes into the transactions, with the database as a model.)
import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { Writable } from '../sql/transaction.ts';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { createRefreshRun } from './refresh-run.ts';
import { batchOf, createTestSeries, selectFaults } from './testing.ts';
import { createWriter } from './writer.ts';

const MINUTE = 60_000_000;
const HOUR = 60 * MINUTE;
const log = createLog('silent');

let opened: TestDatabase;
/** Later by hours in each run, so that one database serves all of them. */
let T = 1_699_920_000_000_000;

beforeAll(async () => {
  opened = await openTestDatabase();
  await createTestSeries(opened.database, 2);
});
afterAll(() => opened.dispose());

type Actor = 'first' | 'second' | 'refresher';

/** Lets one actor at a time take one step: everything up to its next statement outside a transaction. */
function createTurns() {
  const waiting = new Map<Actor, () => void>();
  let running = 0;
  let onQuiet = () => {};
  const settle = () => {
    running--;
    if (running === 0) onQuiet();
  };

  return {
    /** Called by an actor before a step; resolves when it may take it. */
    async wait(actor: Actor): Promise<void> {
      const released = new Promise<void>((resolve) => waiting.set(actor, resolve));
      settle();
      await released;
    },
    /** Runs an actor's work to its end, step by step. */
    async act(actor: Actor, work: () => Promise<unknown>): Promise<void> {
      running++;
      await this.wait(actor);
      await work();
      settle();
    },
    /** Lets `actor` take a step, if it is waiting for one, and waits until nobody moves. */
    async release(actor: Actor): Promise<void> {
      const go = waiting.get(actor);
      if (go === undefined) return;
      waiting.delete(actor);
      running++;
      const quiet = new Promise<void>((resolve) => {
        onQuiet = resolve;
      });
      go();
      await quiet;
    },
    waiting: () => [...waiting.keys()],
  };
}

type Turns = ReturnType<typeof createTurns>;

/** A database whose connections wait for the actor's turn before each transaction and each statement outside one. */
function gated(database: Writable, turns: Turns, actor: Actor): Writable {
  async function connect(): Promise<pg.PoolClient> {
    const client = await database.writer.connect();
    let inTransaction = false;
    const query = (...args: [unknown, unknown]) => {
      const text = typeof args[0] === 'string' ? args[0].trim() : '';
      const run = () => Reflect.apply(client.query, client, args) as Promise<unknown>;
      if (inTransaction) {
        if (text === 'commit' || text === 'rollback') inTransaction = false;
        return run();
      }
      // A transaction that is sent as one text is one step.
      inTransaction = text.startsWith('begin') && !text.endsWith('commit');
      return turns.wait(actor).then(run);
    };
    return new Proxy(client, {
      get(target, name) {
        if (name === 'query') return query;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }
  // Only what transaction.ts calls of a pool.
  return { writer: { connect } as unknown as pg.Pool };
}

const batch = fc.array(
  fc.record({
    id: fc.integer({ min: 1, max: 2 }),
    /** Half minutes before the present. */
    age: fc.integer({ min: -4, max: 90 }),
    v: fc.nat(5),
  }),
  { minLength: 1, maxLength: 5 },
);

it('never let a reader take from a rollup what the readings do not say', async () => {
  const run = fc.record({
    order: fc.array(
      fc.constantFrom<Actor>('first', 'second', 'refresher', 'refresher', 'refresher'),
      {
        minLength: 20,
        maxLength: 40,
      },
    ),
    batches: fc.array(batch, { minLength: 8, maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(run, async ({ order, batches }) => {
      T += 2 * HOUR;
      const { database } = opened;
      const turns = createTurns();
      const signal = new AbortController().signal;
      const nowUs = T + HOUR;
      const refreshOn = (target: Writable, sliceMaxMs: number) =>
        createRefreshRun({
          database: target,
          sliceMaxMs,
          budgetMs: 5000,
          signal,
          onSlice: () => {},
        });
      await refreshOn(database, 1000)(nowUs - 20 * MINUTE, MINUTE);

      const rowsOf = (given: (typeof batches)[number]) =>
        batchOf(given.map(({ id, age, v }) => ({ id, v, t: nowUs - age * (MINUTE / 2) })));
      const writing = (actor: Actor, own: typeof batches) =>
        turns.act(actor, async () => {
          const target = gated(database, turns, actor);
          const writer = createWriter({ database: target, log, metrics: createMetrics() });
          for (const given of own) await writer.write(rowsOf(given));
          await writer.stop();
        });
      const acting = [
        writing('first', batches.slice(0, 4)),
        writing('second', batches.slice(4)),
        turns.act('refresher', async () => {
          const refresh = refreshOn(gated(database, turns, 'refresher'), 1);
          await refresh(nowUs, MINUTE);
          await refresh(nowUs + 5 * MINUTE, MINUTE);
        }),
      ];
      for (const [step, actor] of order.entries()) {
        await turns.release(actor);
        if (step % 3 === 0) expect(await selectFaults(database)).toEqual([]);
      }
      while (turns.waiting().length > 0) {
        for (const actor of turns.waiting()) await turns.release(actor);
      }
      await Promise.all(acting);
      expect(await selectFaults(database)).toEqual([]);
      await refreshOn(database, 1000)(nowUs + 6 * MINUTE, MINUTE);
      const { rows } = await database.writer.query(
        'select count(*)::int as n from tailrace.dirty_range',
      );
      expect([await selectFaults(database), rows]).toEqual([[], [{ n: 0 }]]);
    }),
    { numRuns: 4 },
  );
});
