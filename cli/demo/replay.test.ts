import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WITSML_ASSET } from './channels.ts';
import { type HistorySource, planHistory } from './history.ts';
import { type Recording, readRecordings, replayBetween } from './replay.ts';
import { demoSession } from './session.ts';
import { demoSources } from './sources.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 7, 30);
const HOUR_MS = 3_600_000;
const recordings = readRecordings();

describe('the recordings', () => {
  it('are read whole', () => {
    expect(recordings.temperature.rows).toHaveLength(22_695);
    expect(recordings.cpu.rows).toHaveLength(4_032);
    expect(recordings.timeLog.rows).toHaveLength(7);
    expect(recordings.temperature.rows[0]).toEqual({
      timeMs: Date.UTC(2013, 11, 2, 21, 15),
      values: { machine_temperature: 73.96732207 },
    });
  });

  it('keep the curves of the drilling log apart, with the units that it says', () => {
    const last = recordings.timeLog.rows.at(-1);
    expect(Object.keys(last?.values ?? {})).toHaveLength(20);
    expect(last?.values.HKLD).toBe(243.38);
    expect(recordings.timeLog.units.HKLD).toBe('klbf');
    expect(recordings.timeLog.units.DXC).toBeUndefined();
  });
});

describe('a replay', () => {
  const loop: Recording = {
    rows: [0, 300_000, 600_000].map((timeMs, v) => ({ timeMs, values: { v } })),
    periodMs: 900_000,
    units: {},
  };

  it('runs in a loop, faster than it was recorded', () => {
    const rows = replayBetween(loop, 300, NOW_MS, NOW_MS + 6_000);
    expect(rows.map(({ timeMs }) => timeMs - NOW_MS)).toEqual([
      0, 1_000, 2_000, 3_000, 4_000, 5_000,
    ]);
    expect(rows.map(({ values }) => values.v)).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it('is a function of the time: cut anywhere, the parts make the whole', () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 10 * HOUR_MS }), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(cuts, fc.constantFrom(1, 60, 300), (offsets, speed) => {
        const ends = [0, ...offsets.toSorted((a, b) => a - b), 10 * HOUR_MS];
        const whole = replayBetween(recordings.cpu, speed, NOW_MS, NOW_MS + 10 * HOUR_MS);
        const parts = ends
          .slice(1)
          .flatMap((end, at) =>
            replayBetween(recordings.cpu, speed, NOW_MS + (ends[at] ?? 0), NOW_MS + end),
          );
        expect(parts).toEqual(whole);
      }),
      { numRuns: 8 },
    );
  });
});

describe('the past', () => {
  const sources: HistorySource[] = [
    { asset: 'a', spanMs: 6 * HOUR_MS },
    { asset: 'b', spanMs: 2 * HOUR_MS },
  ];

  it('is written from the newest to the oldest, without gap or overlap', () => {
    const pieces = planHistory(NOW_MS, sources, new Map());
    expect(pieces.map(({ toMs }) => toMs)).toEqual(
      pieces.map(({ toMs }) => toMs).sort((x, y) => y - x),
    );
    for (const { asset, spanMs } of sources) {
      const own = pieces.filter((piece) => piece.asset === asset);
      expect(own[0]?.toMs).toBe(NOW_MS);
      expect(own.at(-1)?.fromMs).toBe(NOW_MS - spanMs);
      expect(own.slice(1).map(({ toMs }) => toMs)).toEqual(
        own.slice(0, -1).map(({ fromMs }) => fromMs),
      );
    }
  });

  it('is only what is missing, when there is some already', () => {
    const known = new Map([['a', { firstMs: NOW_MS - HOUR_MS, lastMs: NOW_MS - 60_000 }]]);
    const own = planHistory(NOW_MS, sources, known).filter(({ asset }) => asset === 'a');
    const written = own.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    expect(written).toBe(5 * HOUR_MS + 59_999);
    expect(own[0]).toEqual({ asset: 'a', fromMs: NOW_MS - 59_999, toMs: NOW_MS });
  });

  it('is nothing where all is there', () => {
    const all = { firstMs: 0, lastMs: NOW_MS };
    expect(
      planHistory(
        NOW_MS,
        sources,
        new Map([
          ['a', all],
          ['b', all],
        ]),
      ),
    ).toEqual([]);
  });
});

describe('the demo', () => {
  it('sends payloads that the default topic rule takes, below its own tenant', () => {
    for (const source of demoSources()) {
      const messages = [
        ...source.history(NOW_MS - HOUR_MS, NOW_MS - HOUR_MS + 900_000),
        ...source.live(NOW_MS, NOW_MS + 2_000),
      ];
      for (const { topic, payload } of messages) {
        expect(topic).toMatch(new RegExp(`^t/demo/${source.asset}/\\w+$`));
        expect(() => JSON.parse(payload)).not.toThrow();
      }
    }
  });

  it('gives the page its opening view, and says of every asset what it is', () => {
    const session = demoSession('token');
    expect(new URLSearchParams(session.view).getAll('s')).toContain('rig-sim-1/drilling/hook_load');
    for (const { asset } of demoSources())
      expect(session.notes[asset]).toMatch(/replayed|Simulated/);
    expect(session.units[`${WITSML_ASSET}/log/HKLD`]).toBe('klbf');
    expect(session.units['rig-sim-1/mud/standpipe_pressure']).toBe('bar');
  });
});
