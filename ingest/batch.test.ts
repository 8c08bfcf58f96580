import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { InboundMessage } from '../lib/mqtt/message.ts';
import { type Batch, createBatch } from './batch.ts';

function message(dup = false): InboundMessage {
  return { topic: 't/a/b/c', payload: Buffer.from('1'), receivedUs: 1, dup };
}

interface Row {
  readonly series: number;
  readonly timeUs: number;
  readonly value: number | string;
  readonly quality: number;
}

/** The rows of a batch as objects, with the index of their message. */
function rowsOf(batch: Batch): (Row & { message: number })[] {
  const view = batch.view(0, batch.rows);
  expect([0, view.rows]).toContain(view.states.length);
  return Array.from({ length: view.rows }, (_, row) => ({
    series: view.seriesIds[row] as number,
    timeUs: view.timesUs[row] as number,
    value: view.states[row] ?? (view.values[row] as number),
    quality: view.qualities[row] as number,
    message: view.messages[row] as number,
  }));
}

const row = fc.record({
  series: fc.integer({ min: 1, max: 5 }),
  timeUs: fc.maxSafeInteger(),
  value: fc.oneof(fc.double({ noNaN: true }), fc.string({ minLength: 1 })),
  quality: fc.integer({ min: -32_768, max: 32_767 }),
});

it('gives back what was added, in order, also after it was emptied and filled again', () => {
  const batch = createBatch();
  fc.assert(
    fc.property(fc.array(fc.array(row, { maxLength: 40 }), { maxLength: 100 }), (messages) => {
      batch.clear();
      const expected: unknown[] = [];
      for (const [index, rows] of messages.entries()) {
        batch.addMessage(message(), () => {});
        for (const one of rows) {
          batch.addReading(one.series, one.timeUs, one.value, one.quality);
          expected.push({ ...one, message: index });
        }
      }
      expect(rowsOf(batch)).toEqual(expected);
      expect(batch.messages).toHaveLength(messages.length);
    }),
  );
});

it('grows past its first size, and flags the rows of a DUP message', () => {
  const batch = createBatch();
  batch.addMessage(message(true), () => {});
  for (let i = 0; i < 5_000; i++) batch.addReading(1, i, i, 0);
  batch.addMessage(message(), () => {});
  batch.addReading(1, 5_000, 5_000, 0);
  const view = batch.view(4_998, 5_001);
  expect([...view.dups]).toEqual([1, 1, 0]);
  expect([...view.timesUs]).toEqual([4_998, 4_999, 5_000]);
});

it('puts ids in the place of wanted series, and makes dead letters of rows that get none', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.boolean())), (readings) => {
      const batch = createBatch();
      const identity = (channel: string) => ({
        tenant: 't',
        asset: 'a',
        channel,
        labels: {},
        unit: null,
      });
      for (const [index, [channel, isState]] of readings.entries()) {
        batch.addMessage(message(), () => {});
        // Channels 0 and 1 are known, 2 and 3 get ids, 4 and 5 do not.
        const series =
          channel < 2 ? channel : batch.want(`${channel}`, identity(`${channel}`), 'number');
        batch.addReading(series, index, isState ? 'on' : index, 0);
      }
      const wantedTimes = batch.wanted.map(({ channel, firstUs }) => [Number(channel), firstUs]);
      for (const [channel, firstUs] of wantedTimes) {
        expect(firstUs).toBe(readings.findIndex(([c]) => c === channel));
      }
      batch.placeWanted(({ channel }) =>
        channel < '4' ? 100 + Number(channel) : { code: 'kind_changed', reason: 'no' },
      );
      const kept = readings.flatMap(([channel, isState], index) =>
        channel < 4
          ? [
              {
                series: channel < 2 ? channel : 100 + channel,
                timeUs: index,
                value: isState ? 'on' : index,
                quality: 0,
                message: index,
              },
            ]
          : [],
      );
      expect(rowsOf(batch)).toEqual(kept);
      const refused = readings.flatMap(([channel], index) => (channel < 4 ? [] : [index]));
      expect(Array.from(batch.letters, (letter) => letter.message)).toEqual(refused);
      expect(batch.wanted).toEqual([]);
    }),
  );
});

it('makes one dead letter for each message and code, counting readings', () => {
  const batch = createBatch();
  batch.addMessage(message(), () => {});
  for (const code of ['a', 'b', 'a']) batch.addLetter({ code, reason: '' });
  batch.addMessage(message(), () => {});
  batch.addLetter({ code: 'a', reason: '' });
  batch.addLetter({ code: 'b', reason: '' }, 0);
  expect(Array.from(batch.letters, (l) => [l.message, l.code, l.readings])).toEqual([
    [0, 'a', 2],
    [0, 'b', 2],
    [1, 'a', 1],
  ]);
  expect(batch.letterCount).toBe(3);
});
