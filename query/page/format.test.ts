import { describe, expect, it } from 'vitest';
import {
  decimalsFor,
  decimalsOfStep,
  describeObligations,
  formatLength,
  formatState,
  formatValue,
  lengthInWords,
} from './format.ts';
import { fitScale } from './scale.ts';

describe('states', () => {
  it.each([
    ['drilling', 'drilling'],
    ['', '(blank)'],
    [' \n\t ', '(blank)'],
    ['going\n to\tbottom ', 'going to bottom'],
    ['\u202egnillird\u2066', 'gnillird'],
    ['x'.repeat(40), 'x'.repeat(40)],
    ['x'.repeat(41), `${'x'.repeat(39)}…`],
    ['🦀'.repeat(30_000), `${'🦀'.repeat(39)}…`],
    ['<b>on</b>', '<b>on</b>'],
  ])('%j as a word among others', (text, shown) => {
    expect(formatState(text)).toBe(shown);
  });
});

describe('values', () => {
  it.each([
    [1, 0],
    [2.5, 1],
    [0.25, 2],
    [0.1, 1],
    [1e-5, 5],
    [2.5e-7, 6],
    [250, 0],
  ])('a step of %d has multiples of %d decimals', (step, decimals) => {
    expect(decimalsOfStep(step)).toBe(decimals);
  });

  it.each([
    [1234567.891, 1, '1\u202f234\u202f567.9'],
    [-1234.5, 0, '\u22121\u202f235'],
    [0.000_000_1, 2, '1.000e-7'],
    [3e12, 0, '3.000e+12'],
    [0, 2, '0.00'],
    [999, 0, '999'],
  ])('%d with %d decimals', (value, decimals, text) => {
    expect(formatValue(value, decimals)).toBe(text);
  });

  it.each([
    [300, 0],
    [30, 1],
    [3, 2],
    [0.3, 3],
    [0, 2],
    [Number.POSITIVE_INFINITY, 2],
    [1e-9, 6],
  ])('a pane of %d has %d decimals', (span, decimals) => {
    expect(decimalsFor(span)).toBe(decimals);
  });
});

describe('lengths of time', () => {
  it.each([
    [250, '250 ms'],
    [1_000, '1 s'],
    [133_000, '2 m 13 s'],
    [3_600_000, '1 h'],
    [90_061_000, '1 d 1 h'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatLength(ms)).toBe(text);
  });

  it('in words', () => {
    expect([60_000, 604_800_000, 1_500].map(lengthInWords)).toEqual(['1 minute', '7 days', '1 s']);
  });
});

describe('obligations', () => {
  it('are told as what they mean', () => {
    expect(
      describeObligations({ finest_step_ms: 60_000, lookback_ms: 604_800_000, delay_ms: 30_000 }),
    ).toEqual(['nothing finer than 1 minute', 'only the last 7 days', '30 seconds late']);
    expect(describeObligations({})).toEqual([]);
    expect(describeObligations(undefined)).toEqual([]);
  });
});

describe('the scale of a pane', () => {
  it('leaves room around its lines and stands on zero where they never go below', () => {
    expect(fitScale(0, 100, undefined)).toEqual({ low: -4, high: 110 });
    expect(fitScale(50, 150, undefined)).toEqual({ low: 40, high: 160 });
    expect(fitScale(-50, 50, undefined)).toEqual({ low: -60, high: 60 });
  });

  it('stays while it fits, and follows when the lines leave it or fill too little of it', () => {
    const scale = fitScale(50, 150, undefined);
    expect(fitScale(60, 155, scale)).toBe(scale);
    expect(fitScale(60, 161, scale)).not.toBe(scale);
    expect(fitScale(100, 110, scale)).not.toBe(scale);
  });

  it('does not blow noise up', () => {
    const { low, high } = fitScale(1_000, 1_000, undefined);
    expect(high - low).toBeGreaterThan(4);
  });
});
