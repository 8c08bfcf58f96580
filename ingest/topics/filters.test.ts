import fc from 'fast-check';
import { expect, it } from 'vitest';
import { filtersOf } from './filters.ts';
import { matchPattern, type Pattern, parsePattern } from './pattern.ts';
import { patternText, topicText } from './testing.ts';

const parse = (text: string) => parsePattern(text) as Pattern;

/** Whether a filter takes a topic (MQTT 5 clause 4.7). */
function takes(filter: string, topic: string): boolean {
  return matchPattern(parse(filter), topic.split('/')) !== undefined;
}

it.each([
  [
    ['plants/{site}/{asset}/{channel...}', 'plants/+/heartbeat'],
    ['plants/+/+/#', 't/#'],
  ],
  [['t/acme/{asset}/{channel}'], ['t/#']],
  [
    ['a/b', 'a/{x}', 'a/#', 'a/b/c'],
    ['a/#', 't/#'],
  ],
  [
    ['#', 'a/b', '$SYS/#'],
    ['#', '$SYS/#'],
  ],
  [
    ['a/line-{x}', 'a/row-{x}'],
    ['a/+', 't/#'],
  ],
  [
    ['a/+/c', 'a/b/+'],
    ['a/+/c', 'a/b/+', 't/#'],
  ],
])('of %j the filters are %j', (patterns, filters) => {
  expect(filtersOf(patterns.map(parse), ['t/#'])).toEqual([...filters].sort());
});

it('leaves no topic of a pattern out, and none of the filters is covered by another', () => {
  fc.assert(
    fc.property(
      fc.array(patternText, { maxLength: 8 }),
      fc.array(topicText, { maxLength: 20 }),
      (texts, topics) => {
        const patterns = texts.map(parse);
        const filters = filtersOf(patterns, []);
        for (const topic of topics) {
          const isTaken = patterns.some((pattern) => matchPattern(pattern, topic.split('/')));
          if (isTaken) expect(filters.some((filter) => takes(filter, topic))).toBe(true);
        }
        for (const filter of filters) {
          const others = filters.filter((other) => other !== filter).map(parse);
          expect(filtersOf([...others, parse(filter)], [])).toContain(filter);
        }
      },
    ),
    { numRuns: 300 },
  );
});
