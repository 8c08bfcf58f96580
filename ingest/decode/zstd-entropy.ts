// The entropy coding of Zstandard (RFC 8878, section 4): FSE and Huffman tables, and bits that are read backwards.

/** Why bytes cannot be inflated: they are broken, or hold more than is allowed. */
export class ZstdError extends Error {
  readonly isTooLarge: boolean;
  constructor(reason: string, isTooLarge = false) {
    super(reason);
    this.isTooLarge = isTooLarge;
  }
}

/** Throws unless it holds: what is checked is what a sound stream never does. */
export function expectSound(holds: boolean): void {
  if (!holds) throw new ZstdError('it is corrupt');
}

/** By state: the symbol, how many bits give the next state, and what is added to them. */
export interface FseTable {
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;
}

/** By the next `bitsMax` bits: the symbol, and how many of them are its own. */
export interface HuffmanTable {
  readonly bitsMax: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

/** Bits `at` to `at + count` of bytes that start at `start`, the first the lowest; at most 25. Beyond the end are zeros. */
function bitsAt(bytes: Buffer, start: number, at: number, count: number): number {
  const byte = start + (at >>> 3);
  const word =
    (bytes[byte] ?? 0) |
    ((bytes[byte + 1] ?? 0) << 8) |
    ((bytes[byte + 2] ?? 0) << 16) |
    ((bytes[byte + 3] ?? 0) << 24);
  return (word >>> (at & 7)) & ((1 << count) - 1);
}

function log2(value: number): number {
  return 31 - Math.clz32(value);
}

/** A stream that is read from its last bit to its first. */
export interface BackwardBits {
  /** How many bits are left; below 0 where more were read than there are, which were zeros. */
  readonly left: number;
  /** The next `count` bits, of at most 32. */
  read(count: number): number;
  /** As `read`, of at most 25, and they are still to be read. */
  peek(count: number): number;
  skip(count: number): void;
}

/** Opens the stream from `start` to `end`: above its first bit stands a single 1. */
export function openBackwardBits(bytes: Buffer, start: number, end: number): BackwardBits {
  const last = bytes[end - 1] ?? 0;
  expectSound(end > start && last !== 0);
  let left = (end - start - 1) * 8 + log2(last);

  function peek(count: number): number {
    const low = left - count;
    if (low >= 0) return bitsAt(bytes, start, low, count);
    return left <= 0 ? 0 : bitsAt(bytes, start, 0, left) << -low;
  }

  function read(count: number): number {
    if (count > 24) {
      const upper = read(count - 16);
      return upper * 65_536 + read(16);
    }
    const value = peek(count);
    left -= count;
    return value;
  }

  return {
    get left() {
      return left;
    },
    read,
    peek,
    skip(count) {
      left -= count;
    },
  };
}

/** Makes the table of a distribution; -1 stands for less than one (4.1.1). */
export function fseTable(distribution: readonly number[], accuracyLog: number): FseTable {
  const size = 1 << accuracyLog;
  const symbols = new Uint8Array(size);
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const next = distribution.map((share) => Math.abs(share));
  let high = size;
  distribution.forEach((share, symbol) => {
    if (share === -1) symbols[--high] = symbol;
  });
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  distribution.forEach((share, symbol) => {
    for (let count = 0; count < share; count++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= high);
    }
  });
  expectSound(at === 0);
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] as number;
    const base = next[symbol] as number;
    next[symbol] = base + 1;
    bits[state] = accuracyLog - log2(base);
    bases[state] = (base << (bits[state] as number)) - size;
  }
  return { accuracyLog, symbols, bits, bases };
}

/** Reads the description of a table. Gives back the table, and where its description ends. */
export function readFseTable(
  bytes: Buffer,
  start: number,
  end: number,
  accuracyLogMax: number,
  symbolMax: number,
): { table: FseTable; end: number } {
  const accuracyLog = (bitsAt(bytes, start, 0, 4) & 15) + 5;
  expectSound(accuracyLog <= accuracyLogMax);
  const distribution: number[] = [];
  let at = 4;
  let remaining = 1 << accuracyLog;
  while (remaining > 0) {
    expectSound(distribution.length <= symbolMax && start + (at >>> 3) < end);
    const count = log2(remaining + 1) + 1;
    const lower = (1 << (count - 1)) - 1;
    const threshold = (1 << count) - 1 - (remaining + 1);
    let value = bitsAt(bytes, start, at, count);
    if ((value & lower) < threshold) {
      value &= lower;
      at += count - 1;
    } else {
      if (value > lower) value -= threshold;
      at += count;
    }
    const share = value - 1;
    distribution.push(share);
    remaining -= Math.abs(share);
    if (share !== 0) continue;
    let zeros: number;
    do {
      zeros = bitsAt(bytes, start, at, 2);
      at += 2;
      for (let index = 0; index < zeros; index++) distribution.push(0);
    } while (zeros === 3 && distribution.length <= symbolMax);
  }
  const tableEnd = start + ((at + 7) >>> 3);
  expectSound(remaining === 0 && distribution.length <= symbolMax + 1 && tableEnd <= end);
  return { table: fseTable(distribution, accuracyLog), end: tableEnd };
}

/** The weights of Huffman codes that are coded themselves, with two states that take turns (4.2.1.2). */
function readCodedWeights(bytes: Buffer, start: number, end: number): number[] {
  const { table, end: tableEnd } = readFseTable(bytes, start, end, 6, 255);
  const stream = openBackwardBits(bytes, tableEnd, end);
  let state = stream.read(table.accuracyLog);
  let other = stream.read(table.accuracyLog);
  const weights: number[] = [];
  for (;;) {
    expectSound(weights.length < 255);
    weights.push(table.symbols[state] as number);
    const next = (table.bases[state] as number) + stream.read(table.bits[state] as number);
    if (stream.left < 0) {
      weights.push(table.symbols[other] as number);
      return weights;
    }
    state = other;
    other = next;
  }
}

/** Makes the table of weights; the last one, which is left out, makes the sum a power of two (4.2.1.3). */
function huffmanTable(weights: number[]): HuffmanTable {
  let sum = 0;
  for (const weight of weights) if (weight > 0) sum += 1 << (weight - 1);
  expectSound(sum > 0 && weights.length <= 255);
  const bitsMax = log2(sum) + 1;
  const left = (1 << bitsMax) - sum;
  expectSound(bitsMax <= 11 && (left & (left - 1)) === 0);
  weights.push(log2(left) + 1);
  const symbols = new Uint8Array(1 << bitsMax);
  const bits = new Uint8Array(1 << bitsMax);
  let at = 0;
  for (let weight = 1; weight <= bitsMax; weight++) {
    weights.forEach((of, symbol) => {
      if (of !== weight) return;
      const end = at + (1 << (weight - 1));
      symbols.fill(symbol, at, end);
      bits.fill(bitsMax + 1 - weight, at, end);
      at = end;
    });
  }
  return { bitsMax, symbols, bits };
}

/** Reads the description of a Huffman table. Gives back the table, and where its description ends. */
export function readHuffmanTable(
  bytes: Buffer,
  start: number,
  end: number,
): { table: HuffmanTable; end: number } {
  expectSound(start < end);
  const head = bytes[start] as number;
  const first = start + 1;
  if (head < 128) {
    expectSound(first + head <= end);
    return { table: huffmanTable(readCodedWeights(bytes, first, first + head)), end: first + head };
  }
  const count = head - 127;
  const tableEnd = first + ((count + 1) >> 1);
  expectSound(tableEnd <= end);
  const weights: number[] = [];
  for (let index = 0; index < count; index++) {
    const pair = bytes[first + (index >> 1)] as number;
    weights.push(index % 2 === 0 ? pair >> 4 : pair & 15);
  }
  return { table: huffmanTable(weights), end: tableEnd };
}

/** Decodes the Huffman stream from `start` to `end`, which fills `output`. */
export function decodeHuffman(
  bytes: Buffer,
  start: number,
  end: number,
  { bitsMax, symbols, bits }: HuffmanTable,
  output: Buffer,
): void {
  const stream = openBackwardBits(bytes, start, end);
  for (let at = 0; at < output.length; at++) {
    const code = stream.peek(bitsMax);
    output[at] = symbols[code] as number;
    stream.skip(bits[code] as number);
    expectSound(stream.left >= 0);
  }
  expectSound(stream.left === 0);
}
