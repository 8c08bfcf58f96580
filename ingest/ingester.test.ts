import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type ReadingBatch, ROW_OUTCOME, type WriteOutcome } from '../store/readings.ts';
import { eventually } from '../test/program.ts';
import { modelCatalogue, modelTable, NOW_MS, startModel, stopIngesters } from './testing.ts';

afterEach(stopIngesters);

/** Waits until `condition` holds. */
const until = (condition: () => boolean): Promise<boolean> =>
  eventually(async () => condition(), Boolean);

describe('the way of a batch', () => {
  it('commits, keeps dead letters, feeds, and acknowledges in receipt order', async () => {
    const { ingester, send, story, letters, records, readings } = startModel();
    send('t/a/b/c', '1');
    send('t/a/b/c', 'no json');
    send('elsewhere', '2');
    send('t/a/b/d', '{"on":true,"x":null,"y":1e999}');
    await ingester.stop();
    expect(story).toEqual(['write 2', 'letters 3', 'feed 2', 'ack 0', 'ack 1', 'ack 2', 'ack 3']);
    expect(letters).toMatchObject([
      { topic: 't/a/b/c', tenant: 'a', code: 'payload_not_json', readings: 1 },
      { topic: 'elsewhere', tenant: null, code: 'no_rule', readings: 1 },
      { topic: 't/a/b/d', code: 'value_not_finite', readings: 1 },
    ]);
    expect(letters.map(({ payload }) => Buffer.from(payload).toString())).toEqual([
      'no json',
      '2',
      '{"on":true,"x":null,"y":1e999}',
    ]);
    expect(records).toHaveLength(1);
    expect(records[0]).toMatchObject({ kind: 'readings', values: [1, 'true'] });
    expect(await readings()).toEqual({
      received: 6,
      inserted: 2,
      duplicate: 0,
      corrected: 0,
      dead_lettered: 3,
      ignored: 1,
      in_flight: 0,
    });
  });

  it('feeds duplicates again, but not a repeated packet that met another value', async () => {
    const { ingester, send, records, table, readings } = startModel();
    const point = (value: number) => `{"ts":${NOW_MS},"value":${value}}`;
    send('t/a/b/c', point(1));
    await until(() => records.length === 1);
    send('t/a/b/c', point(1), true);
    await until(() => records.length === 2);
    send('t/a/b/c', point(2));
    await until(() => records.length === 3);
    send('t/a/b/c', point(1), true);
    await ingester.stop();
    expect(records.map(({ values }) => [...values])).toEqual([[1], [1], [2]]);
    expect([...table.values()]).toEqual([2]);
    expect(await readings()).toMatchObject({ inserted: 1, duplicate: 2, corrected: 1 });
  });

  it('makes a dead letter of what the database refuses, and does not feed it', async () => {
    const refused = [{ row: 1, code: '22003', reason: 'out of range' }];
    const counts = { inserted: 2, duplicate: 0, corrected: 0, late: 1 };
    const rowOutcomes = Uint8Array.of(0, ROW_OUTCOME.refused, 0);
    const { ingester, send, story, letters, records } = startModel({
      writer: {
        write: async () => ({ ...counts, refused, rowOutcomes }),
      },
    });
    for (const value of ['10', '11', '12']) send('t/a/b/c', value);
    await ingester.stop();
    expect(letters).toMatchObject([{ code: '22003', readings: 1 }]);
    expect(Buffer.from(letters[0]?.payload ?? []).toString()).toBe('11');
    expect([...(records[0]?.values ?? [])]).toEqual([10, 12]);
    expect(story.slice(-3)).toEqual(['ack 0', 'ack 1', 'ack 2']);
  });

  it('keeps the kind of a series: its first value here, or what another process made it', async () => {
    const catalogue = modelCatalogue({ theirs: 'state' });
    const { ingester, send, letters, table } = startModel({ catalogue });
    send('t/a/b/mine', '1');
    send('t/a/b/mine', '"text"');
    send('t/a/b/theirs', '1');
    send('t/a/b/theirs', '2');
    await until(() => letters.length > 0);
    send('t/a/b/mine', '"text"');
    send('t/a/b/theirs', '"text"');
    await ingester.stop();
    expect(letters.map(({ topic, code }) => `${topic} ${code}`)).toEqual([
      't/a/b/mine kind_changed',
      't/a/b/theirs kind_changed',
      't/a/b/theirs kind_changed',
      't/a/b/mine kind_changed',
    ]);
    expect([...table.values()]).toEqual([1, 'text']);
  });

  it('makes dead letters of readings for whose series there is no more room', async () => {
    const catalogue = modelCatalogue({}, 2);
    const { ingester, send, letters, readings } = startModel({ catalogue });
    for (const channel of ['x', 'y', 'z']) send(`t/a/b/${channel}`, '1');
    await ingester.stop();
    expect(letters).toMatchObject([{ topic: 't/a/b/z', code: 'series_limit' }]);
    expect(await readings()).toMatchObject({ inserted: 2, dead_lettered: 1, in_flight: 0 });
  });

  it('writes a message of more readings than a transaction takes in several', async () => {
    const { ingester, send, story } = startModel({ limits: { rowsMax: 10 } });
    const points = Array.from({ length: 25 }, (_, i) => ({ ts: NOW_MS + i, value: i }));
    send('t/a/b/c', JSON.stringify(points));
    await ingester.stop();
    expect(story).toEqual([
      ...['write 10', 'write 10', 'write 5'],
      ...['feed 10', 'feed 10', 'feed 5', 'ack 0'],
    ]);
  });
});

it('writes a message of more text than a transaction takes in several, one reading at least', async () => {
  const { ingester, send, records, story } = startModel({ limits: { bytesMax: 1_000 } });
  const texts = [400, 400, 400, 2_000, 2_000, 1, 999, 1].map((length) => 'x'.repeat(length));
  const points = texts.map((value, i) => ({ ts: NOW_MS + i, value }));
  send('t/a/b/c', JSON.stringify(points));
  await ingester.stop();
  expect(story.filter((line) => line.startsWith('write'))).toEqual(
    [2, 1, 1, 1, 2, 1].map((rows) => `write ${rows}`),
  );
  expect(records.flatMap(({ values }) => [...values])).toEqual(texts);
  expect(story.at(-1)).toBe('ack 0');
});

describe('a step that fails', () => {
  it.each(['write', 'letters', 'feed', 'series'] as const)(
    'is tried again, and nothing is acknowledged until it succeeds: %s',
    async (step) => {
      let failures = 2;
      const fail = (at: string) => {
        if (at === step && failures-- > 0) throw new Error(`no ${at}`);
      };
      const models = modelTable();
      const catalogue = modelCatalogue();
      const records: unknown[] = [];
      const { ingester, send, story, readings } = startModel({
        catalogue: {
          findByIdentity: catalogue.findByIdentity,
          async ensure(wanted) {
            fail('series');
            return catalogue.ensure(wanted);
          },
        },
        writer: {
          async write(batch) {
            fail('write');
            return models.write(batch);
          },
        },
        async insertDeadLetters() {
          fail('letters');
        },
        feed: {
          async append(record) {
            fail('feed');
            records.push(record);
            return { epoch: 'e', offset: 1 };
          },
        },
      });
      send('t/a/b/c', '1');
      send('t/a/b/c', 'no json');
      await until(() => failures === 1);
      expect(story).toEqual([]);
      await ingester.stop();
      expect(story).toEqual(['ack 0', 'ack 1']);
      expect(records).toHaveLength(1);
      expect(await readings()).toMatchObject({ inserted: 1, dead_lettered: 1, in_flight: 0 });
    },
  );

  it('is given up on stopping, without acknowledgement', async () => {
    const write = () => Promise.reject(new Error('down'));
    const { ingester, send, story, readings } = startModel({ drainMaxMs: 50, writer: { write } });
    send('t/a/b/c', '1');
    await ingester.stop();
    await ingester.stop();
    expect(story).toEqual([]);
    expect(await readings()).toMatchObject({ received: 1, in_flight: 1 });
  });
});

describe('pace', () => {
  /** A writer that commits when it is told to. */
  function heldWriter() {
    const { write } = modelTable();
    const commits: (() => void)[] = [];
    return {
      commits,
      writer: {
        write: (batch: ReadingBatch) =>
          new Promise<WriteOutcome>((resolve) => {
            commits.push(() => resolve(write(batch)));
          }),
      },
    };
  }

  it('fills and hands over batches while one is written, and finishes them in order', async () => {
    const { writer, commits } = heldWriter();
    const { ingester, send, story } = startModel({ writer, limits: { rowsMax: 3, batchesMax: 3 } });
    for (let value = 0; value < 14; value++) {
      expect(send('t/a/b/c', `${value}`).wait).toBeUndefined();
    }
    await until(() => commits.length === 3);
    commits[2]?.();
    commits[1]?.();
    expect(story).toEqual([]);
    commits[0]?.();
    await until(() => story.length === 12);
    expect(story).toEqual(
      [0, 3, 6].flatMap((n) => ['feed 3', ...[n, n + 1, n + 2].map((m) => `ack ${m}`)]),
    );
    await until(() => commits.length === 4);
    commits[3]?.();
    await until(() => commits.length === 5);
    commits[4]?.();
    await ingester.stop();
    expect(story.slice(12)).toEqual([
      'feed 3',
      'ack 9',
      'ack 10',
      'ack 11',
      'feed 2',
      'ack 12',
      'ack 13',
    ]);
  });

  it('lets a batch that is not full grow while another is written', async () => {
    const { writer, commits } = heldWriter();
    const { send, story } = startModel({ writer, limits: { rowsMax: 100 } });
    send('t/a/b/c', '0');
    await until(() => commits.length === 1);
    for (let value = 1; value < 10; value++) send('t/a/b/c', `${value}`);
    commits[0]?.();
    await until(() => commits.length === 2);
    commits[1]?.();
    await until(() => story.includes('ack 9'));
    expect(story.filter((line) => line.startsWith('feed'))).toEqual(['feed 1', 'feed 9']);
  });

  it('asks sources to wait while too much is in flight', async () => {
    const { writer, commits } = heldWriter();
    const { send } = startModel({ writer, bytesMax: 25_000, drainMaxMs: 0 });
    const long = JSON.stringify('x'.repeat(5_000));
    expect(send('t/a/b/c', long).wait).toBeUndefined();
    expect(send('t/a/b/c', long).wait).toBeUndefined();
    const waits = send('t/a/b/c', long).wait;
    expect(waits).toBeInstanceOf(Promise);
    await until(() => commits.length === 1);
    commits[0]?.();
    await waits;
    expect(send('t/a/b/c', long).wait).toBeUndefined();
  });

  it('writes as soon as nothing more comes, without waiting for the age', async () => {
    const { send, story } = startModel({ limits: { ageMaxMs: 3_600_000 } });
    for (let i = 0; i < 20; i++) send('t/a/b/c', `${i}`);
    await until(() => story.includes('ack 19'));
    expect(story[0]).toBe('write 20');
  });

  it('writes what is old although more keeps coming', async () => {
    let nowMs = NOW_MS;
    const { send, story } = startModel({
      clock: () => nowMs,
      limits: { ageMaxMs: 50, quietMs: 1 },
    });
    await until(() => {
      send('t/a/b/c', '1');
      nowMs += 1;
      return story.some((line) => line.startsWith('ack'));
    });
  });
});

it('keeps the account balanced at every reading of the metrics', async () => {
  const payload = fc.oneof(
    fc.constantFrom('1', '"on"', 'null', '{', '[1,null,"x",1e999]', '{"a":1,"b":{}}', '[]'),
    fc.integer({ min: 0, max: 3 }).map((value) => `{"ts":${NOW_MS},"value":${value}}`),
  );
  const message = fc.record({
    topic: fc.constantFrom('t/a/b/c', 't/a/b/d', 'elsewhere'),
    payload,
    dup: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(message, { maxLength: 5 }), { maxLength: 10 }),
      async (bursts) => {
        const { ingester, send, story, readings } = startModel({
          limits: { rowsMax: 4, quietMs: 0 },
        });
        const check = async () => {
          const { received, ...rest } = await readings();
          expect(Object.values(rest).reduce((sum, count) => sum + count, 0)).toBe(received);
        };
        for (const burst of bursts) {
          for (const { topic, payload: text, dup } of burst) await send(topic, text, dup).wait;
          await check();
        }
        await ingester.stop();
        await check();
        expect((await readings()).in_flight).toBe(0);
        const acks = story.filter((line) => line.startsWith('ack'));
        // In receipt order of each tenant: what comes from elsewhere is nobody's, and has its own share of a batch.
        const sent = bursts.flat().map(({ topic }, number) => ({ topic, ack: `ack ${number}` }));
        for (const isElsewhere of [true, false]) {
          const own = sent.filter(({ topic }) => (topic === 'elsewhere') === isElsewhere);
          const ownAcks = own.map(({ ack }) => ack);
          expect(acks.filter((ack) => ownAcks.includes(ack))).toEqual(ownAcks);
        }
        expect(acks).toHaveLength(sent.length);
      },
    ),
    { numRuns: 50 },
  );
});
