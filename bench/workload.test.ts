import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  channelOf,
  distinctReadingsOf,
  durationMs,
  messageOf,
  readingsOf,
  rowsOf,
  type Workload,
} from './workload.ts';

const workloads: fc.Arbitrary<Workload> = fc
  .record({
    form: fc.constantFrom('value', 'values', 'packed', 'lines', 'points'),
    assets: fc.integer({ min: 1, max: 3 }),
    messages: fc.integer({ min: 1, max: 12 }),
    stepMs: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ form, assets, messages, stepMs }) => ({
    form,
    messages,
    readingsPerMessage: form === 'value' ? 1 : 100,
    series: assets * 100,
    startMs: 1_700_000_000_000,
    stepMs,
  }));

interface Point {
  readonly ts: number;
  readonly value: number;
}

/** The readings of a payload, as `asset/channel time value`. */
function read(workload: Workload, message: number): string[] {
  const { topic, payload } = messageOf(workload, message);
  const channel = topic.replace('bench/', '');
  if (workload.form === 'lines') {
    return payload
      .toString()
      .split('\n')
      .map((line) => {
        const [, measurement, field, value, ns] =
          /^(\w+) (\w+)=(\S+) (\d+)000000$/.exec(line) ?? [];
        return `${channel.replace('_', `${measurement}/${field}`)} ${ns} ${value}`;
      });
  }
  const body: unknown =
    workload.form === 'packed' ? unpack(payload) : JSON.parse(payload.toString());
  if (workload.form === 'values' || workload.form === 'packed') {
    const { ts, values } = body as { ts: number; values: Record<string, number> };
    return Object.entries(values).map(([key, value]) => `${channel}/${key} ${ts} ${value}`);
  }
  const points = (workload.form === 'points' ? body : [body]) as Point[];
  return points.map((point) => `${channel} ${point.ts} ${point.value}`);
}

describe('a workload', () => {
  it('says the same in its messages and in its rows', () => {
    fc.assert(
      fc.property(workloads, (workload) => {
        const fromMessages = Array.from({ length: workload.messages }, (_, message) =>
          read(workload, message),
        ).flat();
        const { series, timesMs, values, rows } = rowsOf(workload);
        const fromRows = Array.from({ length: rows }, (_, row) => {
          const { asset, channel } = channelOf(series[row] ?? -1);
          return `${asset}/${channel} ${timesMs[row]} ${values[row]}`;
        });
        expect(fromMessages).toEqual(fromRows);
        expect(rows).toBe(readingsOf(workload));
      }),
      { numRuns: 30 },
    );
  });

  it('repeats half of its messages where it is told to', () => {
    fc.assert(
      fc.property(workloads, fc.integer({ min: 0, max: 6 }), (workload, half) => {
        const { series, timesMs, rows } = rowsOf({ ...workload, repeatAfter: 2 * half });
        const keys = Array.from(series, (one, row) => `${one} ${timesMs[row]}`);
        expect(rows).toBe(readingsOf(workload));
        expect(new Set(keys).size).toBe(distinctReadingsOf({ ...workload, repeatAfter: 2 * half }));
      }),
      { numRuns: 30 },
    );
  });

  it('never repeats a series and time, and ends before the next may start', () => {
    fc.assert(
      fc.property(workloads, (workload) => {
        const { series, timesMs, rows } = rowsOf(workload);
        const keys = Array.from(series, (one, row) => `${one} ${timesMs[row]}`);
        expect(new Set(keys).size).toBe(rows);
        if (workload.form !== 'points') {
          expect(Math.max(...timesMs)).toBeLessThan(workload.startMs + durationMs(workload));
        }
      }),
      { numRuns: 30 },
    );
  });
});
