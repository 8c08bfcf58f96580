// What is authorised is what is ingested: the same orders through the door and then through the pipeline's own reader.
import { gzipSync } from 'node:zlib';
import { Encoder } from 'cbor-x';
import { pack } from 'msgpackr';
import { expect, it } from 'vitest';
import { createMetrics } from '../../lib/metrics.ts';
import { createBatch } from '../batch.ts';
import { createPayloadDecoder } from '../decode/decode.ts';
import { createLedger } from '../ledger.ts';
import { createMessageReader } from '../reader.ts';
import { createSeriesLookup } from '../series-lookup.ts';
import { parseRules } from '../topics/read-rules.ts';
import { DEFAULT_RULES, fixedRules, type TopicRules } from '../topics/rules.ts';
import { createWriteDoor, type OutboundMessage, type WrittenSeries } from './door.ts';

const NOW_MS = Date.UTC(2026, 5, 1);
/** Whether the content type arrives, and whether it may be lost behind the broker. */
const CONNECTIONS = [
  [true, false],
  [true, true],
  [false, true],
] as const;
const TYPES = [undefined, 'application/json', 'text/csv', 'text/plain', 'application/cbor'];
const cbor = new Encoder({ mapsAsObjects: true, useRecords: false });

/** Some are read otherwise by another format, or by none. */
const PAYLOADS: readonly Uint8Array[] = [
  '1.5',
  '"bad"',
  'on',
  '{"a":1,"b":"x","time":"2026-05-31T12:00:00"}',
  '[{"ts":3,"value":2},{"ts":1780000000000,"value":2}]',
  '{"tenant":"other","a":1}',
  '{"timestamp":1780000000000,"values":[{"id":"x.y","v":1,"q":true,"t":1780000000000}]}',
  'time,a,b\n2026-05-31T12:00:00,1,x\n',
  'a,b\n1,2\n',
  'weather,site=north temperature=17.5,wet=true\nweather,tenant=other x=1\nbroken\n',
  'weather,asset=rig,site=south x=1\nweather,site=north x=1,y=2',
  '{',
]
  .map((text): Uint8Array => Buffer.from(text))
  .concat([
    ...[pack({ a: 1 }), cbor.encode({ b: 2 }), gzipSync('{"z":1}'), Buffer.of(0xff, 0x00)],
    // One text of 45 bytes as CBOR, and a line with two characters more before it by looking.
    Buffer.from(`x-${'m'.repeat(30)} f=1 1780000000`),
  ]);

/** Rules that take what is written, too, and make of it what they like: of another asset, by another format. */
const FILES = [
  '[{ topic: "t/acme/{asset}/{channel...}", tenant: acme, labels: { source: http }, time_zone: Europe/Oslo }]',
  '[{ topic: "t/{tenant}/{line}/{channel...}", asset: "line-{line}", format: csv }]',
  '[{ topic: "t/{from}/{asset}/{channel...}", tenant: acme, format: line }]',
  '[{ topic: "t/{tenant}/{asset}/#", channel: _, time_zone: Asia/Tokyo }]',
].map((text) => parseRules(`rules: ${text}\n`, 'rules.yaml').rules);

const nameOf = ({ tenant, asset, channel, labels }: WrittenSeries) =>
  JSON.stringify([tenant, asset, channel, Object.entries(labels).sort()]);

/** Reads a message as the pipeline does; one series in two kinds is left to the pipeline: it changes no series. */
function createPipeline(rules: TopicRules) {
  const lookup = createSeriesLookup(() => undefined, fixedRules(rules), createMetrics());
  const read = createMessageReader(createPayloadDecoder(), createLedger());
  return ({ topic, payload, contentType }: OutboundMessage) => {
    const batch = createBatch();
    const typed = contentType === undefined ? {} : { contentType };
    const message = { topic, payload, ...typed, receivedUs: NOW_MS * 1_000, dup: false };
    read(batch, lookup.topic(topic), message, () => {}, {});
    return { series: batch.wanted.map(nameOf), rows: batch.rows, letters: [...batch.letters] };
  };
}

it.each([DEFAULT_RULES, ...FILES].map((rules, index) => [index, rules] as const))(
  'whether the content type arrives with it or not, by rules %i',
  async (_, rules) => {
    const ingest = createPipeline(rules);
    let written = 0;
    for (const [carries, mayLose] of CONNECTIONS) {
      let published: OutboundMessage | undefined;
      const outlet = {
        carriesContentType: async () => carries,
        mayLoseContentType: mayLose,
        publish: async (message: OutboundMessage) => {
          published = message;
        },
      };
      const door = createWriteDoor({ rules: fixedRules(rules), outlet, clock: () => NOW_MS });
      for (const payload of PAYLOADS) {
        for (const contentType of TYPES) {
          for (const channel of ['', 'p/q']) {
            const asked: string[] = [];
            published = undefined;
            const order = { tenant: 'acme', asset: 'rig', channel, payload, contentType };
            const outcome = await door.write(order, (series) => asked.push(nameOf(series)) > 0);
            if (outcome.kind !== 'written') continue;
            written++;
            if (published === undefined) throw new Error('nothing was published');
            const { series, rows, letters } = ingest(published);
            const untyped = { ...(published as OutboundMessage), contentType: undefined };
            const seen = mayLose ? [...series, ...ingest(untyped).series] : series;
            expect([...new Set(asked)].sort()).toEqual([...new Set(seen)].sort());
            expect(rows).toBe(outcome.accepted);
            expect(letters.map(({ code, readings }) => [code, readings])).toEqual(
              outcome.faults.map(({ code, count }) => [code, count]),
            );
          }
        }
      }
    }
    expect(written).toBeGreaterThan(20);
  },
);
