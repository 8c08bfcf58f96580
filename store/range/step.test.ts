import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { ceilToStep, floorToStep, parseStep, stepForWidth } from './step.ts';

const SECOND_US = 1_000_000;
const HOUR_US = 3600 * SECOND_US;
const DAY_US = 24 * HOUR_US;
const at = (iso: string) => Date.parse(iso) * 1000;

describe('the step for a width', () => {
  test.each([
    ['ten seconds', 10 * SECOND_US, 1200, 5],
    ['a span that is a step exactly', 1200 * SECOND_US, 1200, 1000],
    ['a microsecond less than that', 1200 * SECOND_US - 1, 1200, 500],
    ['less than a millisecond a pixel', 1000, 1200, 1],
    ['an hour', HOUR_US, 1200, 2000],
    ['twenty hours', 20 * HOUR_US, 1200, 60_000],
    ['two weeks, five minutes being the next below', 14 * DAY_US, 1200, 900_000],
    ['a year', 365 * DAY_US, 1200, 21_600_000],
    ['a thousand days', 1000 * DAY_US, 1000, 86_400_000],
    ['days in whole multiples', 3700 * DAY_US, 1000, 3 * 86_400_000],
  ])('%s', (_, spanUs, pixels, stepMs) => {
    expect(stepForWidth(spanUs, pixels)).toBe(stepMs);
  });

  it('gives at least as many buckets as pixels, where a millisecond allows it', () => {
    const span = fc.integer({ min: 10_000_000, max: 100 * 365 * DAY_US });
    fc.assert(
      fc.property(span, fc.integer({ min: 1, max: 10_000 }), (spanUs, pixels) => {
        const stepUs = stepForWidth(spanUs, pixels) * 1000;
        expect(spanUs / stepUs).toBeGreaterThanOrEqual(pixels);
        expect(spanUs / stepUs).toBeLessThanOrEqual(pixels * 3 + 3);
      }),
    );
  });
});

describe('a step as users write it', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['1d', 86_400_000],
    ['7d', 604_800_000],
  ])('%s is counted from 1970-01-01', (text, stepMs) => {
    expect(parseStep(text)).toMatchObject({ stepMs, originMs: 0 });
  });

  test.each([
    ['1w', 604_800_000],
    ['2w', 1_209_600_000],
  ])('%s is counted from a Monday', (text, stepMs) => {
    expect(parseStep(text)).toMatchObject({ stepMs, originMs: Date.parse('1970-01-05') });
  });

  test.each([
    ...[
      '',
      '5',
      'm',
      '0s',
      '-1s',
      '1.5h',
      '1 h',
      '1h 30m',
      '5x',
      '0mo',
      '1300mo',
      '200y',
      '1mo1d',
      '99999999d',
    ],
    '1e3s',
    '1hh',
  ])('%j is refused by name', (text) => {
    expect(() => parseStep(text)).toThrow(
      expect.objectContaining({ code: 'bad_parameter', details: { parameter: 'step' } }),
    );
  });
});

it.each([
  ['1d', 'day', 1],
  ['2w', 'week', 2],
  ['3mo', 'month', 3],
  ['1y', 'month', 12],
  ['24h', 'day', 1],
  ['172800s', 'day', 2],
  ['1w1d', 'day', 8],
])('%s is of a calendar', (text, unit, count) => {
  expect(parseStep(text).calendar).toEqual({ unit, count });
});

describe('whole buckets', () => {
  const { stepMs, originMs } = parseStep('1w');
  const week = { stepUs: stepMs * 1000, originUs: originMs * 1000 };
  test.each([
    ['weeks begin on Monday', week, '2026-11-22T12:00:00Z', '2026-11-16T00:00:00Z'],
    ['also before 1970', week, '1969-12-31T12:00:00Z', '1969-12-29T00:00:00Z'],
    [
      'three days are counted from 1970-01-01',
      { stepUs: 3 * DAY_US, originUs: 0 },
      '1970-01-08T05:00:00Z',
      '1970-01-07T00:00:00Z',
    ],
  ])('%s', (_, step, time, bucket) => {
    expect(floorToStep(at(time), step)).toBe(at(bucket));
  });

  it('holds each time between its floor and the next start, whatever the step', () => {
    const times = fc.integer({ min: -(2 ** 52), max: 2 ** 52 });
    const steps = fc.integer({ min: 1000, max: 400 * DAY_US });
    fc.assert(
      fc.property(times, steps, (timeUs, stepUs) => {
        const step = { stepUs, originUs: 4 * DAY_US };
        const floor = floorToStep(timeUs, step);
        const ceil = ceilToStep(timeUs, step);
        expect(floor).toBeLessThanOrEqual(timeUs);
        expect(timeUs - floor).toBeLessThan(stepUs);
        expect((BigInt(floor) - BigInt(step.originUs)) % BigInt(stepUs)).toBe(0n);
        expect(ceil).toBe(floor === timeUs ? floor : floor + stepUs);
      }),
    );
  });
});
