// Patterns and topics for property tests: of few letters, so that they meet.
import fc from 'fast-check';

const letter = fc.constantFrom('a', 'b', 'x');
export const levelText = fc.string({ unit: letter, maxLength: 3 });

/** Kinds of levels; parts are named by their place. */
const patternLevel = fc.oneof(
  { weight: 3, arbitrary: levelText },
  { weight: 1, arbitrary: fc.constant('+') },
  { weight: 2, arbitrary: fc.constant('{}') },
  { weight: 2, arbitrary: fc.tuple(levelText, levelText).map(([a, b]) => `${a}{}${b}`) },
  { weight: 1, arbitrary: letter.map((between) => `{}${between}{}`) },
);
const ending = fc.constantFrom('', '', '/#', '/{}…');

/** A pattern that is none of those at fault. */
export const patternText = fc
  .tuple(fc.constantFrom('', '$'), fc.array(patternLevel, { minLength: 1, maxLength: 4 }), ending)
  .map(([dollar, levels, end]) => {
    const start = dollar !== '' && !/[{+]/.test(levels[0] ?? '') ? dollar : '';
    let parts = 0;
    return (start + levels.join('/') + end).replaceAll(
      /\{\}(…?)/g,
      (_, rest: string) => `{p${parts++}${rest}}`,
    );
  })
  .filter((text) => text !== '');

export const topicText = fc
  .tuple(fc.constantFrom('', '', '', '$'), fc.array(levelText, { minLength: 1, maxLength: 5 }))
  .map(([dollar, levels]) => dollar + levels.join('/'));
