import { afterEach, describe, expect, it } from 'vitest';
import { ROW_OUTCOME } from '../store/readings.ts';
import { NOW_MS, startModel, stopIngesters } from './testing.ts';

afterEach(stopIngesters);

describe('a replay', () => {
  const message = (topic: string, text: string) => ({
    topic,
    payload: Buffer.from(text),
    receivedUs: NOW_MS * 1000,
    dup: false,
  });

  it('goes the same way, and says what became of the message once it is committed and fed', async () => {
    const { ingester, send, story, letters, records, readings } = startModel();
    send('t/a/b/c', `{"ts":${NOW_MS},"value":1}`);
    const points = [1, 2].map((value) => `{"ts":${NOW_MS + value},"value":${value}}`);
    const payload = `[{"ts":${NOW_MS},"value":1},${points},{"ts":${NOW_MS},"value":7},null,"x",1e999]`;
    const [first, again] = await Promise.all([
      ingester.replay(message('t/a/b/c', payload)),
      ingester.replay(message('t/a/b/c', 'no json')),
    ]);
    expect(first).toMatchObject({ inserted: 2, duplicate: 1, corrected: 1, ignored: 1 });
    expect(first.faults.map(({ code }) => code).sort()).toEqual([
      'kind_changed',
      'value_not_finite',
    ]);
    expect(first.deadLettered).toBe(2);
    expect(again).toMatchObject({ inserted: 0, deadLettered: 1 });
    expect(again.faults.map(({ code }) => code)).toEqual(['payload_not_json']);
    expect(letters).toEqual([]);
    expect(story.some((line) => line.startsWith('letters'))).toBe(false);
    expect(records.flatMap(({ values }) => [...values])).toEqual([1, 1, 1, 2, 7]);
    expect(await readings()).toEqual({
      ...{ received: 9, inserted: 3, duplicate: 1, corrected: 1 },
      ...{ dead_lettered: 3, ignored: 1, in_flight: 0 },
    });
  });

  it('tells what the database refuses of it', async () => {
    const refused = [{ row: 0, code: '22003', reason: 'out of range' }];
    const counts = { inserted: 0, duplicate: 0, corrected: 0, late: 0 };
    const rowOutcomes = Uint8Array.of(ROW_OUTCOME.refused);
    const writer = { write: async () => ({ ...counts, refused, rowOutcomes }) };
    const { ingester, letters } = startModel({ writer });
    const outcome = await ingester.replay(message('t/a/b/c', '1'));
    expect(outcome).toMatchObject({ deadLettered: 1, faults: [{ code: '22003' }] });
    expect(letters).toEqual([]);
  });

  it('rejects where stopping comes first', async () => {
    const write = () => Promise.reject(new Error('down'));
    const { ingester } = startModel({ drainMaxMs: 50, writer: { write } });
    const replayed = ingester.replay(message('t/a/b/c', '1'));
    await Promise.all([
      expect(replayed).rejects.toMatchObject({ code: 'stopped' }),
      ingester.stop(),
    ]);
    await expect(ingester.replay(message('t/a/b/c', '1'))).rejects.toMatchObject({
      code: 'stopped',
    });
  });
});
