// What a decoder tells its sink, written down, and held against what a sink may rely on.
import { expect } from 'vitest';
import type { Decoder, ReadContext, ReadingSink } from '../../ingest/decode/sink.ts';
import { isTimeInRange } from '../../ingest/decode/time.ts';

const NOW_US = Date.UTC(2026, 0, 2) * 1000;

export const CONTEXT: ReadContext = {
  receivedUs: NOW_US,
  defaultTimeUs: NOW_US,
  tenant: 'acme',
  asset: 'rig-7',
};

/**
 * What a sink was told: `[key, time µs, value]`, with the quality where it is not good, `ignored`, a fault's code, or
 * `{labels}` where they change.
 */
export type Told = readonly [string, number, number | string, number?] | string | object;

interface RecordingSink extends ReadingSink {
  readonly told: Told[];
  readonly reasons: string[];
}

/** A sink that writes down what it is told, and fails on what it may not be told. */
export function createRecordingSink(): RecordingSink {
  const told: Told[] = [];
  const reasons: string[] = [];

  // No `expect` for each reading: property tests have millions.
  function must(holds: boolean, what: string): void {
    if (!holds) throw new Error(`the sink was given ${what}`);
  }

  function reading(key: string, timeUs: number, value: number | string, quality: number): void {
    must(typeof key === 'string', 'a key that is no text');
    must(Number.isInteger(timeUs) && isTimeInRange(timeUs, NOW_US), `the time ${timeUs}`);
    must(Object.is(quality, (quality << 16) >> 16), `the quality ${quality}`);
    told.push(quality === 0 ? [key, timeUs, value] : [key, timeUs, value, quality]);
  }

  return {
    told,
    reasons,
    number(key, timeUs, value, quality) {
      must(Number.isFinite(value), `the number ${value}`);
      reading(key, timeUs, value, quality);
    },
    state(key, timeUs, value, quality) {
      const isStorable = !value.includes('\u0000') && !/\p{Cs}/u.test(value);
      must(isStorable && value.length <= 65_536, 'a text that cannot be stored');
      reading(key, timeUs, value, quality);
    },
    ignored: () => told.push('ignored'),
    fault({ code, reason }) {
      told.push(code);
      reasons.push(reason);
    },
    labelled(text, parse) {
      const labels = parse();
      must(text !== '' || Object.keys(labels).length === 0, 'labels under no text');
      told.push({ ...labels });
    },
  };
}

/** Decodes, and gives what the sink was told; the code alone where the payload is a fault as a whole. */
export function tell(
  decode: Decoder,
  payload: string | Uint8Array,
  context: Partial<ReadContext> = {},
): readonly Told[] | string {
  const sink = createRecordingSink();
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const fault = decode(bytes, { ...CONTEXT, ...context }, sink);
  if (fault === undefined) {
    // Whatever was received is accounted for.
    expect(sink.told.some((one) => Array.isArray(one) || typeof one === 'string')).toBe(true);
    return sink.told;
  }
  expect(sink.told).toEqual([]);
  expect(fault.reason).toMatch(/\.$/);
  return fault.code;
}
