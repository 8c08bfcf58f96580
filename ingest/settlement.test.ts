import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { TailraceError } from '../lib/errors.ts';
import type { ReadingBatch, WriteOutcome } from '../store/readings.ts';
import { modelCatalogue, modelTable, NOW_MS, startModel, stopIngesters } from './testing.ts';

afterEach(stopIngesters);

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

/** What goes wrong or takes long, in the order in which it is asked for; nothing once it is used up. */
function misfortune(delays: readonly number[], failures: readonly boolean[]) {
  let steps = 0;
  return async () => {
    const step = steps++;
    await turns(delays[step] ?? 0);
    if (failures[step]) throw new Error('not now');
  };
}

/** A writer as ours: it commits batches one after another, however late each is. */
function orderedWriter(write: (batch: ReadingBatch) => WriteOutcome, mishap: () => Promise<void>) {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    write(batch: ReadingBatch): Promise<WriteOutcome> {
      const outcome = tail.then(async () => {
        await mishap().catch(() => {});
        return write(batch);
      });
      tail = outcome;
      return outcome;
    },
  };
}

const messages = fc.array(
  fc.record({
    channel: fc.constantFrom('c', 'd', 'e', 'f'),
    payload: fc.oneof(
      fc.integer({ min: 0, max: 9 }).map((n) => `{"ts":${NOW_MS + (n % 3)},"value":${n}}`),
      fc.constantFrom('no json', 'null', '[1,2,3,4,5,6,7]'),
    ),
    tenant: fc.constantFrom('a', 'a', 'a', 'b'),
  }),
  { minLength: 1, maxLength: 40 },
);

it('acknowledges in order, and only what is committed, kept and fed, with several batches under way', async () => {
  await fc.assert(
    fc.asyncProperty(
      messages,
      fc.array(fc.nat(6), { maxLength: 30 }),
      fc.array(
        fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
        { maxLength: 6 },
      ),
      fc.integer({ min: 1, max: 4 }),
      async (sent, delays, failures, batchesMax) => {
        const mishap = misfortune(delays, failures);
        const { write, table } = modelTable();
        const catalogue = modelCatalogue();
        let committed = 0;
        let fed = 0;
        const model = startModel({
          limits: { rowsMax: 4, quietMs: 0, batchesMax },
          catalogue: {
            findByIdentity: catalogue.findByIdentity,
            async ensure(wanted) {
              await mishap();
              return catalogue.ensure(wanted);
            },
          },
          writer: orderedWriter((batch) => {
            committed += batch.rows;
            return write(batch);
          }, mishap),
          feed: {
            async append(record) {
              await mishap();
              if (record.kind === 'readings') fed += record.seriesIds.length;
              return { epoch: 'e', offset: fed };
            },
          },
        });
        const acknowledged: number[] = [];
        let readingsAcknowledged = 0;
        for (const [number, { channel, payload, tenant }] of sent.entries()) {
          const message = {
            topic: `t/${tenant}/x/${channel}`,
            payload: Buffer.from(payload),
            receivedUs: NOW_MS * 1000 + number,
            dup: false,
          };
          const readings = payload.startsWith('[') ? 7 : payload.startsWith('{') ? 1 : 0;
          void model.ingester.handle(message, () => {
            acknowledged.push(number);
            readingsAcknowledged += readings;
            expect(committed).toBeGreaterThanOrEqual(readingsAcknowledged);
            expect(fed).toBeGreaterThanOrEqual(readingsAcknowledged);
          });
          await turns(number % 3);
        }
        await model.ingester.stop();
        expect(acknowledged.length).toBe(sent.length);
        // Each tenant's messages in order; all of them where there is one tenant.
        for (const tenant of ['a', 'b']) {
          const own = acknowledged.filter((number) => sent[number]?.tenant === tenant);
          expect(own).toEqual([...own].sort((x, y) => x - y));
        }
        const last = new Map<string, number>();
        for (const { tenant, channel, payload } of sent) {
          if (!payload.startsWith('{')) continue;
          const { ts, value } = JSON.parse(payload) as { ts: number; value: number };
          const id = catalogue.series.get(`${tenant}/x/${channel}`)?.id;
          last.set(`${id}@${ts * 1000}`, value);
        }
        for (const [key, value] of last) expect(table.get(key)).toBe(value);
        expect(await model.readings()).toMatchObject({ in_flight: 0 });
      },
    ),
    { numRuns: 40 },
  );
});

it('creates the series of a batch while the one before is being committed, and each series once', async () => {
  const catalogue = modelCatalogue();
  const story: string[] = [];
  let commit = () => {};
  const held = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const { write } = modelTable();
  const model = startModel({
    limits: { rowsMax: 1, batchesMax: 3 },
    catalogue: {
      findByIdentity: catalogue.findByIdentity,
      async ensure(wanted) {
        await turns(2);
        story.push(`create ${wanted.map(({ channel }) => channel)}`);
        return catalogue.ensure(wanted);
      },
    },
    writer: {
      async write(batch) {
        await held;
        story.push('commit');
        return write(batch);
      },
    },
  });
  for (const channel of ['c', 'c', 'd']) model.send(`t/a/b/${channel}`, '1');
  await turns(20);
  expect(story.filter((line) => line !== 'create ')).toEqual(['create c', 'create c', 'create d']);
  commit();
  await model.ingester.stop();
  expect(await model.readings()).toMatchObject({ inserted: 3, dead_lettered: 0 });
});

it.each([
  { what: 'an acknowledgement', options: {}, acknowledge: true },
  {
    what: 'an account that does not add up',
    options: {
      writer: {
        write: async ({ rows }: ReadingBatch) => ({
          ...{ inserted: rows + 1, duplicate: 0, corrected: 0, late: 0, refused: [] },
          rowOutcomes: new Uint8Array(rows),
        }),
      },
    },
    acknowledge: false,
  },
])('says that it failed, and lets no replay wait, when $what throws', async (one) => {
  const { ingester } = startModel(one.options);
  const message = {
    ...{ topic: 't/a/b/c', payload: Buffer.from('1'), receivedUs: NOW_MS * 1000, dup: false },
  };
  const acknowledged: number[] = [];
  void ingester.handle(message, () => {
    if (one.acknowledge) throw new Error('a mistake');
    acknowledged.push(0);
  });
  const replay = ingester.replay(message);
  replay.catch(() => {});
  expect(await ingester.failed).toBeInstanceOf(Error);
  await expect(replay).rejects.toMatchObject({ code: 'stopped' });
  void ingester.handle(message, () => acknowledged.push(1));
  await ingester.stop();
  expect(acknowledged).toEqual([]);
});

it('acknowledges what a feed that takes nothing has not got, and goes on trying where that is not kept', async () => {
  let attempts = 0;
  const model = startModel({
    limits: { rowsMax: 1, quietMs: 0 },
    feed: {
      async append() {
        attempts += 1;
        // At first not even that it is missing could be kept.
        if (attempts === 1) throw new Error('the database is away');
        throw new TailraceError('feed_unavailable', 'The feed takes nothing now.');
      },
    },
  });
  await model.send('t/a/b/c', '1').wait;
  await model.ingester.stop();
  expect([attempts, model.ingester.isThrough]).toEqual([2, true]);
  expect(model.story.at(-1)).toBe('ack 0');
  expect(model.table.size).toBe(1);
});
