import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterOf, matchPattern, type Pattern, parsePattern } from './pattern.ts';
import { levelText, patternText, topicText } from './testing.ts';

function pattern(text: string): Pattern {
  const parsed = parsePattern(text);
  if (!('levels' in parsed)) throw new Error(JSON.stringify(parsed));
  return parsed;
}

function match(text: string, topic: string): Record<string, string> | undefined {
  const parts = matchPattern(pattern(text), topic.split('/'));
  return parts && Object.fromEntries(parts);
}

describe('a pattern', () => {
  it.each([
    ['a/b', 'a/b', {}],
    ['a/b', 'a/b/c', undefined],
    ['a/+', 'a/b', {}],
    ['a/+', 'a/', {}],
    ['a/+', 'a', undefined],
    ['a/{x}', 'a/b', { x: 'b' }],
    ['a/{x}/c', 'a/b/d', undefined],
    ['a/#', 'a', {}],
    ['a/#', 'a/b/c', {}],
    ['a/{rest...}', 'a/b/c', { rest: 'b/c' }],
    ['a/{rest…}', 'a/b', { rest: 'b' }],
    ['a/{rest…}', 'a', undefined],
    ['{all…}', 'a/b', { all: 'a/b' }],
    ['#', 'a/b', {}],
    ['line-{line}', 'line-7', { line: '7' }],
    ['line-{line}', 'line-', undefined],
    ['{a}-{b}', 'x-y-z', { a: 'x', b: 'y-z' }],
    ['{a}-{b}.{c}', '--.-', undefined],
    ['{a}.v{version}', '1.2.v3', { a: '1.2', version: '3' }],
    ['{a}--{b}x', 'a--x', undefined],
    // What stands for something at the first level takes no topics of the broker's own (MQTT 5 clause 4.7.2).
    ['#', '$SYS/uptime', undefined],
    ['{a}/uptime', '$SYS/uptime', undefined],
    ['{all…}', '$SYS/uptime', undefined],
    ['$SYS/{what}', '$SYS/uptime', { what: 'uptime' }],
  ])('%s takes %s with %j', (text, topic, parts) => {
    expect(match(text, topic)).toEqual(parts);
  });

  it.each([
    ['', 0, 'empty'],
    ['a/#/b', 2, 'last level'],
    ['a/{x…}/b', 2, 'last level'],
    ['a/b{x…}', 3, 'whole levels'],
    ['a/b+', 2, 'whole levels'],
    ['a/#b', 2, 'whole levels'],
    ['{x}/{x}', 4, 'two parts {x}'],
    ['a/{}', 2, 'no part'],
    ['a/{1x}', 2, 'no part'],
    ['a/{x', 2, 'partner'],
    ['a/x}', 2, 'partner'],
    ['a/{x}{y}', 5, 'between two parts'],
    ['$x-{a}/b', 0, 'begins with $'],
    ['a/\u0000', 2, 'control'],
    [`${'a/'.repeat(100)}a`, 0, 'levels'],
    ['a'.repeat(65_536), 0, 'bytes'],
  ])('%.40j is refused at %d: %s', (text, at, message) => {
    expect(parsePattern(text)).toContainEqual({ at, message: expect.stringContaining(message) });
  });

  it('gives parts that put back into it make the topic again', () => {
    fc.assert(
      fc.property(patternText, topicText, (text, topic) => {
        const parsed = pattern(text);
        const parts = matchPattern(parsed, topic.split('/'));
        if (parts === undefined || text.includes('+') || text.includes('#')) return;
        const made = text.replaceAll(/\{(\w+)…?\}/g, (_, name: string) => parts.get(name) ?? '');
        expect(made).toBe(topic);
      }),
    );
  });

  it('finds parts in a level wherever there are any', () => {
    fc.assert(
      fc.property(fc.tuple(levelText, levelText, levelText), ([a, b, c]) => {
        fc.pre(a !== '' && b !== '' && c !== '');
        expect(match('{a}x{b}x{c}', `${a}x${b}x${c}`)).toBeDefined();
      }),
    );
  });
});

it.each([
  ['a/{x}/line-{l}/{rest…}', 'a/+/+/#'],
  ['a/+/#', 'a/+/#'],
  ['{all…}', '#'],
  ['a/b', 'a/b'],
])('the filter of %s is %s', (text, filter) => {
  expect(filterOf(pattern(text))).toBe(filter);
});
