// ingest/decode: payloads to readings, each against the least that reading its format could cost.
import { Encoder } from 'cbor-x';
import { pack, unpack } from 'msgpackr';
import { createPayloadDecoder } from '../../ingest/decode/decode.ts';
import type { ReadingSink } from '../../ingest/decode/sink.ts';
import { messageOf, type Workload } from '../workload.ts';
import type { MicroBench } from './area.ts';

const START_MS = 1_700_000_000_000;
const CONTEXT = {
  receivedUs: START_MS * 1000,
  defaultTimeUs: START_MS * 1000,
  tenant: 'bench',
  asset: 'rig-0',
};
const READINGS = 100;

/** Adds up what it is given, so that nothing can be optimised away. */
function summingSink(): ReadingSink & { readonly sum: () => number } {
  let sum = 0;
  return {
    number(_key, timeUs, value) {
      sum += timeUs + value;
    },
    state() {},
    labelled() {},
    ignored() {},
    fault({ reason }) {
      throw new Error(reason);
    },
    sum: () => sum,
  };
}

interface Sample {
  readonly name: string;
  readonly payload: Buffer;
  readonly floor: MicroBench['floor'];
}

function payloadOf(form: Workload['form']): Buffer {
  return messageOf(
    {
      form,
      messages: 1,
      readingsPerMessage: form === 'value' ? 1 : READINGS,
      series: READINGS,
      startMs: START_MS,
      stepMs: 1000,
    },
    0,
  ).payload;
}

function parseJson(payload: Buffer): MicroBench['floor'] {
  return { name: 'JSON.parse', run: () => JSON.parse(payload.toString('utf8')) as unknown };
}

/** The parser of lines that one writes first: no escapes, no texts, and wrong where they are. */
function splitLines(payload: Buffer): unknown {
  return payload
    .toString('utf8')
    .split('\n')
    .map((line) => {
      const [series = '', fields = '', time] = line.split(' ');
      const [measurement, ...tags] = series.split(',');
      return {
        measurement,
        tags: tags.map((tag) => tag.split('=')),
        fields: fields.split(',').map((field) => {
          const [key, value] = field.split('=');
          return [key, Number(value)];
        }),
        timeUs: Number(time) / 1000,
      };
    });
}

function splitCsv(payload: Buffer): unknown {
  return payload
    .toString('utf8')
    .split('\n')
    .map((line) => line.split(',').map(Number));
}

function samples(): Sample[] {
  const row = (index: number) => ({ ts: START_MS + index * 1000, value: 100 + index / 8 });
  const rows = Array.from({ length: READINGS }, (_, index) => row(index));
  const cbor = new Encoder({ useRecords: false, variableMapSize: true });
  const packedRows = pack(rows);
  const cborRows = cbor.encode(rows);
  const packed = payloadOf('packed');
  const lines = payloadOf('lines');
  const tagged = Buffer.from(
    rows.map(({ ts, value }) => `mud,well=w-7,crew=b flow=${value} ${ts}000000`).join('\n'),
  );
  const csv = Buffer.from(
    ['ts,value', ...rows.map(({ ts, value }) => `${ts},${value}`)].join('\n'),
  );
  const columns = Buffer.from(
    JSON.stringify({ ts: rows.map(({ ts }) => ts), value: rows.map(({ value }) => value) }),
  );
  const asJson = payloadOf('points');
  const splitting = (payload: Buffer) => ({
    name: 'split',
    run: () => splitLines(payload),
  });
  return [
    { name: 'value of 1', payload: payloadOf('value'), floor: parseJson(payloadOf('value')) },
    { name: 'values of 100', payload: payloadOf('values'), floor: parseJson(payloadOf('values')) },
    { name: 'points of 100', payload: asJson, floor: parseJson(asJson) },
    { name: 'columns of 100', payload: columns, floor: parseJson(columns) },
    {
      name: 'msgpack values of 100',
      payload: packed,
      floor: { name: 'msgpackr', run: () => unpack(packed) as unknown },
    },
    {
      name: 'msgpack points of 100',
      payload: packedRows,
      floor: { name: 'msgpackr', run: () => unpack(packedRows) as unknown },
    },
    {
      name: 'cbor points of 100',
      payload: cborRows,
      floor: { name: 'cbor-x', run: () => cbor.decode(cborRows) as unknown },
    },
    { name: 'lines of 100', payload: lines, floor: splitting(lines) },
    { name: 'lines of 100 with tags', payload: tagged, floor: splitting(tagged) },
    { name: 'lines of 100 beside JSON', payload: lines, floor: parseJson(asJson) },
    { name: 'csv of 100', payload: csv, floor: { name: 'split', run: () => splitCsv(csv) } },
  ];
}

export function decodeBenches(): MicroBench[] {
  return samples().map(({ name, payload, floor }) => {
    const sink = summingSink();
    const decode = createPayloadDecoder();
    return {
      name: `decode ${name}`,
      run() {
        const fault = decode({ payload }, CONTEXT, sink);
        if (fault !== undefined) throw new Error(fault.reason);
        return sink.sum();
      },
      floor,
    };
  });
}
