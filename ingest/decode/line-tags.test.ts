import { expect, it } from 'vitest';
import { createTagReader } from './line-tags.ts';

it('remembers what texts of tags say, few and none that is long: a payload could fill the memory', () => {
  const readTags = createTagReader(2);
  const first = readTags('site=north');
  expect(readTags('site=north')).toBe(first);
  const long = `site=${'n'.repeat(2_000)}`;
  expect(readTags(long)).toEqual(readTags(long));
  expect(readTags(long)).not.toBe(readTags(long));
  readTags('site=south');
  readTags('site=west');
  expect(readTags('site=north')).not.toBe(first);
});
