// What rules may call beside WebAssembly's own functions gives what OPA gives: the expected values are OPA's.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createBuiltins, createZones, parseRfc3339Ns, ZONES_MAX } from './builtins.ts';
import { sprintf } from './sprintf.ts';

const BUILTINS = createBuiltins();

function call(name: string, ...args: unknown[]): unknown {
  const json = BUILTINS.get(name)?.(...args);
  return json === undefined ? undefined : JSON.parse(json);
}

describe('sprintf', () => {
  test.each<[format: string, values: unknown[], text: string]>([
    ['%s may %s', ['ann', 'read'], 'ann may read'],
    ['%d%%', [42], '42%'],
    ['%v %v %v', [1.5, true, null], '1.5 true null'],
    ['%v', [{ a: 1, b: [1, 'x'] }], '{"a": 1, "b": [1, "x"]}'],
    ['%q', ['a"b\n\u0007é'], '"a\\"b\\n\\aé"'],
    ['%5d|%-5d|%05d|%+d', [42, 42, -42, 7], '   42|42   |-0042|+7'],
    ['%x %X %o %b %c', [255, 255, 8, 5, 65], 'ff FF 10 101 A'],
    ['%.2f %e %g', [5.14159, 1234.5, 0.00001], '5.14 1.234500e+03 1e-05'],
    ['%s', [1], '%!s(int64=1)'],
    ['%d', [1.5], '%!d(float64=1.5)'],
    ['%d', ['x'], '%!d(string=x)'],
    ['%s', [], '%!s(MISSING)'],
    ['a', ['b', 1], 'a%!(EXTRA string=b, int64=1)'],
    ['%8.3s|', ['abcdef'], '     abc|'],
    ['%v', [0.0001], '0.0001'],
    ['%x', ['hi'], '6869'],
    ['%t', [true], '%!t(string=true)'],
    ['%f', [3], '%!f(int64=3)'],
    ['%5.1f|', [2.25], '  2.2|'],
    ['%s', [['a', 'b']], '["a", "b"]'],
    ['%v', [12345678.9], '1.23456789e+07'],
  ])('%j of %j', (format, values, text) => {
    expect(sprintf(format, values)).toBe(text);
    expect(call('sprintf', format, values)).toBe(text);
  });

  it('leaves text alone that has no verb, and refuses what it does not know', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(sprintf('%s', [text])).toBe(text);
        expect(sprintf(text.replaceAll('%', '%%'), [])).toBe(text);
      }),
    );
    expect(() => sprintf('%U', [1])).toThrow(/%U is not known/);
    expect(() => sprintf('%5000d', [1])).toThrow(/wider/);
    expect(call('sprintf', 7, [])).toBeUndefined();
  });
});

describe('time', () => {
  test.each([
    ['2026-11-22T11:00:00Z', 1795345200000000000n],
    ['2026-11-22T11:00:00.123456789+02:00', 1795338000123456789n],
    ['1969-12-31T23:59:59.5Z', -500000000n],
    ['2500-01-01T00:00:00Z', undefined],
    ['2026-11-22', undefined],
    [7, undefined],
  ])('parse_rfc3339_ns of %j', (text, ns) => {
    expect(parseRfc3339Ns(text)).toBe(ns);
    expect(BUILTINS.get('time.parse_rfc3339_ns')?.(text)).toBe(ns?.toString());
  });

  const NS = 1763800000123456789n;
  test.each([
    ['time.clock', [Number(NS), 'Europe/Oslo'], [9, 26, 40]],
    ['time.clock', Number(NS), [8, 26, 40]],
    ['time.date', [Number(NS), 'America/New_York'], [2025, 11, 22]],
    ['time.weekday', [Number(NS), 'Asia/Tokyo'], 'Saturday'],
    ['time.weekday', -1, 'Wednesday'],
    ['time.clock', [Number(NS), 'Nowhere/Land'], undefined],
    ['time.clock', 'noon', undefined],
  ])('%s of %j', (name, when, result) => {
    expect(call(name, when)).toEqual(result);
  });

  it('remembers few time zones, however many an input names', () => {
    const zones = createZones();
    const clock = createBuiltins(zones).get('time.clock');
    for (let n = 0; n < 3 * ZONES_MAX; n++) {
      const zone = ['Europe/Oslo', `Nowhere/${n}`, `+0${n % 10}:00`][n % 3] ?? '';
      clock?.([Number(NS), zone]);
      expect(zones.size()).toBeLessThanOrEqual(ZONES_MAX);
    }
    expect(zones.size()).toBe(ZONES_MAX);
    expect(clock?.([Number(NS), 'Europe/Oslo'])).toBe('[9,26,40]');
  });
});
