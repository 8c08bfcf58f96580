import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TailraceError } from '../../lib/errors.ts';
import { problemReply } from '../http/problem.ts';
import { parameterReader } from '../parameters.ts';
import { RANGE_PARAMETERS, readRangeQuery } from './parameters.ts';

const NOW_US = Date.UTC(2026, 5, 1) * 1_000;

function read(query: string) {
  return readRangeQuery(parameterReader(new URLSearchParams(query), RANGE_PARAMETERS), NOW_US);
}

describe('the parameters of a range', () => {
  it('have defaults: m4 at a width of 1,000 until now', () => {
    expect(read('series=a/b&start=now-1h')).toEqual({
      choice: { kind: 'names', names: ['a/b'] },
      startUs: NOW_US - 3_600e6,
      endUs: NOW_US,
      resolution: { kind: 'width', pixels: 1_000 },
      offsetUs: 0,
      aggregates: ['m4'],
      fill: 'none',
      limited: false,
      page: undefined,
      format: undefined,
      timeoutMs: 30_000,
      explain: false,
    });
  });

  it('name a series once, however often it is asked for', () => {
    const { choice } = read('series=a/b&series=a/b&series=7&start=0');
    expect(choice).toEqual({ kind: 'names', names: ['a/b', '7'] });
  });

  it('name an aggregate once, however often it is asked for: each is a column to make', () => {
    const query = `agg=mean&agg=${'m4,mean,'.repeat(1_000)}p50`;
    expect(read(`series=a/b&start=0&${query}`).aggregates).toEqual(['mean', 'm4', 'p50']);
  });

  it('take a plus that nobody escaped, in a zone too', () => {
    const zoneOf = (tz: string) => read(`series=a/b&start=0&step=1d&tz=${tz}`).resolution;
    expect(zoneOf('Etc/GMT+5')).toMatchObject({ zone: 'Etc/GMT+5' });
    expect(zoneOf('+05:30')).toMatchObject({ zone: '+05:30' });
  });

  it('take 1,000 series and no more', () => {
    const names = (count: number) =>
      Array.from({ length: count }, (_, i) => `series=${i}`).join('&');
    expect(read(`${names(1_000)}&start=0`).choice).toMatchObject({ names: { length: 1_000 } });
    expect(() => read(`${names(1_001)}&start=0`)).toThrow(/series: may stand 1000 times/);
  });

  it('count weeks from Mondays', () => {
    expect(read('series=1&start=0&step=1w').resolution).toMatchObject({
      ...{ stepMs: 604_800_000, originMs: 4 * 86_400_000 },
    });
  });

  it('never fail but by a 4xx that names the parameter', () => {
    const name = fc.constantFrom(...RANGE_PARAMETERS.map((parameter) => parameter.name));
    const word = fc.constantFrom(
      'raw',
      'm4',
      'now',
      'now-1h',
      '0',
      '1s',
      '10',
      '{}',
      'a/b',
      'none',
    );
    const value = fc.oneof({ weight: 2, arbitrary: word }, fc.string(), fc.integer().map(String));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), (pairs) => {
        try {
          const query = read(String(new URLSearchParams(pairs)));
          expect(query.endUs).toBeGreaterThan(query.startUs);
        } catch (thrown) {
          if (!(thrown instanceof TailraceError)) throw thrown;
          expect(problemReply(thrown).status).toBe(400);
          expect(thrown.details.parameter).toEqual(expect.any(String));
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
