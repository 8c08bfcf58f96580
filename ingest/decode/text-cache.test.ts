import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createTextCache } from './text-cache.ts';

it('gives the text that stands there, whatever stood there before', () => {
  // Two slots, so that most texts meet another.
  const readText = createTextCache(2);
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 80 })), (texts) => {
      for (const text of [...texts, ...texts]) {
        const bytes = Buffer.from(`<${text}>`);
        expect(readText(bytes, 1, bytes.length - 1)).toBe(text);
      }
    }),
  );
});
