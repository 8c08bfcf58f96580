import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { matchPattern, type Pattern, parsePattern } from './pattern.ts';
import { createPatternTree } from './pattern-tree.ts';
import { patternText, topicText } from './testing.ts';

function treeOf(patterns: readonly Pattern[]) {
  const tree = createPatternTree();
  for (const [index, pattern] of patterns.entries()) tree.add(pattern, index);
  return tree;
}

const parse = (text: string) => parsePattern(text) as Pattern;
const patterns = fc.array(patternText, { maxLength: 12 }).map((texts) => texts.map(parse));
const topics = fc.array(topicText, { minLength: 1, maxLength: 20 });

describe('a tree of patterns', () => {
  it('finds the one that is first when each is tried in turn', () => {
    fc.assert(
      fc.property(patterns, topics, (all, some) => {
        const tree = treeOf(all);
        for (const topic of some.map((text) => text.split('/'))) {
          const first = all.findIndex((pattern) => matchPattern(pattern, topic) !== undefined);
          expect(tree.first(topic)).toBe(first === -1 ? undefined : first);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('says that a pattern is covered only where no topic of it is left', () => {
    fc.assert(
      fc.property(patterns, patternText.map(parse), topics, (all, pattern, some) => {
        const cover = treeOf(all).cover(pattern);
        if (cover === undefined) return;
        for (const topic of some.map((text) => text.split('/'))) {
          if (matchPattern(pattern, topic) === undefined) continue;
          expect(matchPattern(all[cover] as Pattern, topic)).toBeDefined();
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['a/#', 'a/{x}/line-{y}', true],
    ['a/#', 'a', true],
    ['a/{x…}', 'a', false],
    ['a/{x…}', 'a/{y…}', true],
    ['a/{x…}', 'a/#', false],
    ['a/+', 'a/{x}', true],
    ['a/line-{x}', 'a/line-7', true],
    ['a/line-{x}', 'a/line-{y}', true],
    ['a/line-{x}', 'a/{y}', false],
    ['#', '$SYS/#', false],
    ['#', '{a}/{b…}', true],
  ])('%s covers %s: %s', (wide, narrow, covered) => {
    expect(treeOf([parse(wide)]).cover(parse(narrow))).toBe(covered ? 0 : undefined);
  });

  it('looks at a few of ten thousand patterns', () => {
    let looks = 0;
    const counted = (text: string): Pattern => {
      const { levels, ...pattern } = parse(text);
      const watched = levels.map((level) =>
        typeof level === 'string'
          ? level
          : new Proxy(level, {
              get(target, member: keyof typeof level) {
                looks++;
                return target[member];
              },
            }),
      );
      return { ...pattern, levels: watched };
    };
    const tree = treeOf(
      Array.from({ length: 10_000 }, (_, i) => counted(`plants/p${i}/line-${i}-{line}/{rest…}`)),
    );
    looks = 0;
    expect(tree.first('plants/p9999/line-9999-3/x'.split('/'))).toBe(9_999);
    expect(tree.first('plants/p1/line-2-3/x'.split('/'))).toBeUndefined();
    expect(looks).toBeLessThan(50);
  });
});
