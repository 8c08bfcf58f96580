// Texts that come again and again, such as keys: found by their bytes, so that no new text is made of them, and each
// is the same object wherever it is looked up.

/** Gives the text that stands in `bytes` from `start` to `end`. */
export type ReadText = (bytes: Buffer, start: number, end: number) => string;

const SLOTS = 4_096;
const LENGTH_MAX = 64;

/**
 * Makes a reader that remembers up to `slots` (a power of two) texts of ASCII of up to 64 characters; where two share
 * a slot, the later one. Others are read anew each time. The bytes must be UTF-8.
 */
export function createTextCache(slots: number = SLOTS): ReadText {
  const texts: string[] = new Array<string>(slots).fill('');

  return (bytes, start, end) => {
    const length = end - start;
    if (length > LENGTH_MAX || length === 0) return bytes.toString('utf8', start, end);
    // FNV-1a; whether all of it is ASCII falls out on the way.
    let hash = 0x811c9dc5;
    let all = 0;
    for (let at = start; at < end; at++) {
      const byte = bytes[at] as number;
      all |= byte;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    if (all >= 0x80) return bytes.toString('utf8', start, end);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = texts[slot] as string;
    if (known.length === length) {
      let at = 0;
      while (at < length && known.charCodeAt(at) === bytes[start + at]) at++;
      if (at === length) return known;
    }
    const text = bytes.toString('latin1', start, end);
    texts[slot] = text;
    return text;
  };
}
