// What few bytes can come to: told before the sink hears of it.
import { gzipSync } from 'node:zlib';
import { Encoder } from 'cbor-x';
import fc from 'fast-check';
import { pack } from 'msgpackr';
import { expect, it } from 'vitest';
import { createPayloadDecoder } from './decode.ts';

const NOW_US = Date.UTC(2026, 0, 2) * 1000;
const CONTEXT = { receivedUs: NOW_US, defaultTimeUs: NOW_US, tenant: 'a', asset: 'b' };
const decode = createPayloadDecoder();
const cbor = new Encoder({ useRecords: false, variableMapSize: true });

/** How much of a payload comes to the sink, and what is wrong with it as a whole. */
function measure(payload: Uint8Array) {
  let readings = 0;
  let text = 0;
  const faults = new Map<string, number>();
  const one = () => void readings++;
  const fault = decode({ payload }, CONTEXT, {
    number: one,
    state(_key, _timeUs, value) {
      readings++;
      text += value.length;
    },
    ignored: one,
    fault({ code }) {
      readings++;
      faults.set(code, (faults.get(code) ?? 0) + 1);
    },
    labelled() {},
  });
  return { readings, text, code: fault?.code, faults };
}

const formats: readonly ((payload: unknown) => Uint8Array)[] = [
  (payload) => Buffer.from(JSON.stringify(payload)),
  (payload) => gzipSync(JSON.stringify(payload)),
  (payload) => pack(payload),
  (payload) => cbor.encode(payload),
];

const times = (rows: number) => new Array<number>(rows).fill(1.7e9);
const keys = (count: number, value: unknown = 1): Record<string, unknown> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, value]));

it.each<[string, unknown, string | undefined, number]>([
  ['a million', { ts: times(1_000), ...keys(1_000) }, undefined, 1_000_000],
  ['more', { ts: times(1_000), ...keys(1_001) }, 'too_many_readings', 0],
  ['many more', { ts: times(10_000), ...keys(10_000) }, 'too_many_readings', 0],
  ['of values', { ts: times(2_000), values: keys(501), q: 0 }, 'too_many_readings', 0],
  ['of values that fit', { ts: times(2_000), values: keys(500), q: 0 }, undefined, 1_000_000],
  ['of several', [1, 2, 3].map(() => ({ ts: times(600), ...keys(600) })), 'too_many_readings', 0],
])('rows times columns are counted: %s', (_what, payload, code, readings) => {
  for (const encode of formats) expect(measure(encode(payload))).toMatchObject({ code, readings });
});

it.each<[string, unknown]>([
  ['beside columns', { ts: times(20_000), k: 'x'.repeat(65_000) }],
  ['beside columns of values', { ts: times(20_000), values: { k: 'x'.repeat(65_000) } }],
  ['of an item', { values: [{ ...keys(20_000), id: 'x'.repeat(1_000) }] }],
])('a text is not repeated without end: %s', (_what, payload) => {
  for (const encode of formats) {
    expect(measure(encode(payload))).toMatchObject({ code: 'payload_too_large', readings: 0 });
  }
});

it('lets through what many readings share, where it is as long as texts are', () => {
  const shared = { ts: times(100_000), value: times(100_000), mode: 'automatic' };
  const items = {
    values: times(30_000).map((t, v) => ({ id: `Channel1.Tag${v}`, v, q: true, t })),
  };
  for (const encode of formats) {
    expect(measure(encode(shared))).toMatchObject({ code: undefined, readings: 200_000 });
    expect(measure(encode(items))).toMatchObject({ code: undefined, readings: 30_000 });
  }
});

it('repeats no measurement of line protocol without end, and reads the lines beside', () => {
  const fields = Array.from({ length: 100_000 }, (_, index) => `f${index}=1`).join(',');
  const payload = Buffer.from(`m a=1\n${'m'.repeat(100_000)} ${fields}\nm b=2`);
  const { code, readings, faults } = measure(payload);
  expect({ code, readings }).toEqual({ code: undefined, readings: 3 });
  expect([...faults]).toEqual([['payload_too_large', 1]]);
});

it('counts the cells of CSV', () => {
  const names = Object.keys(keys(1_001)).join(',');
  const row = new Array(1_002).fill('1e9').join(',');
  const table = (rows: number) => Buffer.from(`ts,${names}\n${`${row}\n`.repeat(rows)}`);
  expect(measure(table(1_000))).toMatchObject({ code: 'too_many_readings', readings: 0 });
  expect(measure(table(10))).toMatchObject({ code: undefined, readings: 10_010 });
});

it('holds for whatever is nested in whatever', () => {
  const value = fc.oneof(fc.integer(), fc.constant(null), fc.constant('x'.repeat(60_000)));
  const column = fc.oneof(
    value,
    fc.integer({ min: 0, max: 3_000 }).map((rows) => times(rows)),
    fc.integer({ min: 0, max: 3_000 }).map((count) => keys(count)),
    fc.integer({ min: 0, max: 3_000 }).map((count) => [{ id: 'i'.repeat(count), ...keys(count) }]),
  );
  const name = fc.constantFrom('ts', 't', 'value', 'values', 'q', 'id', 'asset', 'a', '');
  const object = fc
    .tuple(fc.dictionary(name, column), fc.integer({ min: 0, max: 2_000 }))
    .map(([fields, count]) => ({ ...fields, ...keys(count) }));
  const payload = fc.oneof(object, fc.array(fc.oneof(object, value), { maxLength: 3 }));
  fc.assert(
    fc.property(payload, fc.constantFrom(...formats), (given, encode) => {
      const bytes = encode(given);
      const { readings, text, code } = measure(bytes);
      expect(readings).toBeLessThanOrEqual(1_000_000);
      expect(text).toBeLessThanOrEqual(32 * 1024 * 1024);
      if (code !== undefined) expect(readings).toBe(0);
    }),
    { numRuns: 60 },
  );
});

it.each([
  ['lists', '['.repeat(4e6) + ']'.repeat(4e6)],
  ['lists that never end', '['.repeat(8e6)],
  ['objects', `${'{"a":'.repeat(1e6)}1${'}'.repeat(1e6)}`],
])('says at once that JSON is nested too deep: %s', (_what, text) => {
  const { user } = process.cpuUsage();
  expect(measure(gzipSync(text))).toMatchObject({ code: 'payload_unreadable', readings: 0 });
  expect((process.cpuUsage().user - user) / 1e6).toBeLessThan(3);
});

it('takes brackets in texts for no nesting', () => {
  const text = JSON.stringify({ a: `${'['.repeat(150_000)}\\"{` });
  expect(measure(Buffer.from(`[${text},${text}]`))).toMatchObject({ code: undefined, readings: 2 });
});
