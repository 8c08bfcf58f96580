import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasDuplicateMembers } from './json-members.ts';

test.each([
  ['{"a":1,"a":1}', true],
  ['{"a":1,"\\u0061":1}', true],
  ['{"a":{"b":1,"c":[{"d":1,"d":2}]}}', true],
  ['[{"a":1},{"a":1}]', false],
  ['{"a":{"a":{"a":1}},"b":"a"}', false],
  ['{"a":"a","b":["a","a","b"]}', false],
  ['{"a":"\\",\\"a\\":1","b":1}', false],
  ['{"__proto__":1,"constructor":2}', false],
  ['{ "a" : 1 , "a" : 2 }', true],
  ['{"":1,"":2}', true],
  ['"a"', false],
])('%s has a member twice: %s', (text, has) => {
  JSON.parse(text);
  expect(hasDuplicateMembers(text)).toBe(has);
});

test('what was made from an object has none, and doubling a member is found wherever it is', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(hasDuplicateMembers(text)).toBe(false);
      expect(hasDuplicateMembers(`{"x":[${text},{"y":${text},"\\u0079":${text}}]}`)).toBe(true);
    }),
  );
});
