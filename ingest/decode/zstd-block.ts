// Compressed blocks of Zstandard (RFC 8878, section 3.1.1.3): literals, and sequences that copy them and what came
// before. Every step is checked against the most that a block may hold: the work that a block makes is bounded, too.
import {
  decodeHuffman,
  expectSound,
  type FseTable,
  fseTable,
  type HuffmanTable,
  openBackwardBits,
  readFseTable,
  readHuffmanTable,
  ZstdError,
} from './zstd-entropy.ts';

/** What a block holds at most. */
export const BLOCK_BYTES_MAX = 131_072;

/** What a frame's blocks hand on from one to the next. */
export interface FrameState {
  readonly output: Buffer;
  /** How much of it is written. */
  written: number;
  huffman: HuffmanTable | undefined;
  /** Of literal lengths, offsets and match lengths. */
  readonly tables: [FseTable?, FseTable?, FseTable?];
  readonly offsets: [number, number, number];
}

/** The state of a frame that begins, and is to be written to `output`. */
export function createFrameState(output: Buffer): FrameState {
  return { output, written: 0, huffman: undefined, tables: [], offsets: [1, 4, 8] };
}

function range(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

const LITERAL_BASES = [
  ...range(0, 16),
  ...[16, 18, 20, 22, 24, 28, 32, 40, 48, 64, 128, 256, 512],
  ...[1024, 2048, 4096, 8192, 16_384, 32_768, 65_536],
];
const LITERAL_BITS = [
  ...new Array<number>(16).fill(0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
];
const MATCH_BASES = [
  ...range(3, 32),
  ...[35, 37, 39, 41, 43, 47, 51, 59, 67, 83, 99, 131, 259, 515],
  ...[1027, 2051, 4099, 8195, 16_387, 32_771, 65_539],
];
const MATCH_BITS = [
  ...new Array<number>(32).fill(0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
];

/** Of literal lengths, offsets and match lengths: the largest table and symbol, and the table that needs no telling. */
const KINDS = [
  {
    accuracyLogMax: 9,
    symbolMax: 35,
    predefined: fseTable(
      [
        ...[4, 3, ...new Array<number>(11).fill(2), 1, 1, 1, ...new Array<number>(9).fill(2)],
        ...[3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
      ],
      6,
    ),
  },
  {
    accuracyLogMax: 8,
    symbolMax: 31,
    predefined: fseTable(
      [1, 1, 1, 1, 1, 1, 2, 2, 2, ...new Array<number>(15).fill(1), -1, -1, -1, -1, -1],
      5,
    ),
  },
  {
    accuracyLogMax: 9,
    symbolMax: 52,
    predefined: fseTable(
      [1, 4, 3, ...new Array<number>(6).fill(2), ...new Array<number>(37).fill(1)].concat(
        new Array<number>(7).fill(-1),
      ),
      6,
    ),
  },
] as const;

/** Literals, and where their section ends. */
interface Literals {
  readonly literals: Buffer;
  readonly end: number;
}

/** Literals as they are, or one that is repeated. */
function readPlainLiterals(bytes: Buffer, start: number, end: number): Literals {
  const head = bytes[start] as number;
  const format = (head >> 2) & 3;
  const headBytes = format === 1 ? 2 : format === 3 ? 3 : 1;
  expectSound(start + headBytes <= end);
  const size = bytes.readUIntLE(start, headBytes) >> (headBytes === 1 ? 3 : 4);
  expectSound(size <= BLOCK_BYTES_MAX);
  const first = start + headBytes;
  if ((head & 3) === 1) {
    expectSound(first < end);
    return { literals: Buffer.alloc(size, bytes[first] as number), end: first + 1 };
  }
  expectSound(first + size <= end);
  return { literals: bytes.subarray(first, first + size), end: first + size };
}

/** Literals in Huffman codes, in one stream or four. */
function readCodedLiterals(bytes: Buffer, start: number, end: number, state: FrameState): Literals {
  const head = bytes[start] as number;
  const format = (head >> 2) & 3;
  const headBytes = format < 2 ? 3 : format + 2;
  expectSound(start + headBytes <= end);
  const sizes = Math.floor(bytes.readUIntLE(start, headBytes) / 16);
  const limit = 2 ** (format < 2 ? 10 : format === 2 ? 14 : 18);
  const size = sizes % limit;
  let at = start + headBytes;
  const literalsEnd = at + Math.floor(sizes / limit);
  expectSound(size <= BLOCK_BYTES_MAX && literalsEnd <= end);
  if ((head & 3) === 2) {
    const { table, end: tableEnd } = readHuffmanTable(bytes, at, literalsEnd);
    state.huffman = table;
    at = tableEnd;
  }
  const { huffman } = state;
  if (huffman === undefined) throw new ZstdError('it is corrupt');
  const literals = Buffer.allocUnsafe(size);
  if (format === 0) {
    decodeHuffman(bytes, at, literalsEnd, huffman, literals);
    return { literals, end: literalsEnd };
  }
  expectSound(at + 6 <= literalsEnd);
  const each = (size + 3) >> 2;
  expectSound(each * 3 <= size);
  const ends = [at, at + 2, at + 4].map((place) => bytes.readUInt16LE(place));
  let stream = at + 6;
  for (let index = 0; index < 4; index++) {
    const streamEnd = index === 3 ? literalsEnd : stream + (ends[index] as number);
    expectSound(streamEnd <= literalsEnd);
    const part = literals.subarray(each * index, index === 3 ? size : each * (index + 1));
    decodeHuffman(bytes, stream, streamEnd, huffman, part);
    stream = streamEnd;
  }
  return { literals, end: literalsEnd };
}

/** The table of one kind of code, by its mode. Gives back where its description ends. */
function readTable(
  bytes: Buffer,
  start: number,
  end: number,
  mode: number,
  kind: 0 | 1 | 2,
  state: FrameState,
): number {
  const { accuracyLogMax, symbolMax, predefined } = KINDS[kind];
  if (mode === 0) state.tables[kind] = predefined;
  else if (mode === 1) {
    const symbol = bytes[start] ?? 255;
    expectSound(start < end && symbol <= symbolMax);
    state.tables[kind] = {
      accuracyLog: 0,
      symbols: Uint8Array.of(symbol),
      bits: new Uint8Array(1),
      bases: new Uint16Array(1),
    };
    return start + 1;
  } else if (mode === 2) {
    const { table, end: tableEnd } = readFseTable(bytes, start, end, accuracyLogMax, symbolMax);
    state.tables[kind] = table;
    return tableEnd;
  }
  return start;
}

/** The distance that a sequence goes back: a new one, or one of the last three (3.1.1.5). */
function distanceOf(value: number, hasLiterals: boolean, offsets: FrameState['offsets']): number {
  const [first, second, third] = offsets;
  let distance: number;
  if (value > 3) {
    distance = value - 3;
    offsets[2] = second;
  } else {
    const index = value - (hasLiterals ? 1 : 0);
    if (index === 0) return first;
    distance = index === 1 ? second : index === 2 ? third : first - 1;
    if (index > 1) offsets[2] = second;
  }
  offsets[1] = first;
  offsets[0] = distance;
  return distance;
}

/** Copies what was written `distance` bytes ago; the copy may reach into itself. */
function copyMatch(state: FrameState, distance: number, length: number): void {
  const { output, written } = state;
  const from = written - distance;
  if (distance >= length) output.copyWithin(written, from, from + length);
  else for (let at = 0; at < length; at++) output[written + at] = output[from + at] as number;
  state.written = written + length;
}

/** Room for `length` more bytes in this block and in the output. */
function expectRoom(state: FrameState, blockStart: number, length: number): void {
  expectSound(state.written + length - blockStart <= BLOCK_BYTES_MAX);
  if (state.written + length > state.output.length) throw new ZstdError('', true);
}

function appendLiterals(state: FrameState, literals: Buffer, from: number, to: number): void {
  literals.copy(state.output, state.written, from, to);
  state.written += to - from;
}

/** Decodes and executes `count` sequences from `start` to `end`. */
function runSequences(
  bytes: Buffer,
  start: number,
  end: number,
  count: number,
  literals: Buffer,
  state: FrameState,
): void {
  const [lengths, distances, matches] = state.tables;
  if (lengths === undefined || distances === undefined || matches === undefined) {
    throw new ZstdError('it is corrupt');
  }
  const blockStart = state.written;
  const stream = openBackwardBits(bytes, start, end);
  let lengthState = stream.read(lengths.accuracyLog);
  let distanceState = stream.read(distances.accuracyLog);
  let matchState = stream.read(matches.accuracyLog);
  let used = 0;
  for (let index = 0; index < count; index++) {
    const code = distances.symbols[distanceState] as number;
    const value = 2 ** code + stream.read(code);
    const matchCode = matches.symbols[matchState] as number;
    const match = (MATCH_BASES[matchCode] as number) + stream.read(MATCH_BITS[matchCode] as number);
    const lengthCode = lengths.symbols[lengthState] as number;
    const extra = stream.read(LITERAL_BITS[lengthCode] as number);
    const length = (LITERAL_BASES[lengthCode] as number) + extra;
    if (index < count - 1) {
      lengthState =
        (lengths.bases[lengthState] as number) + stream.read(lengths.bits[lengthState] as number);
      matchState =
        (matches.bases[matchState] as number) + stream.read(matches.bits[matchState] as number);
      distanceState =
        (distances.bases[distanceState] as number) +
        stream.read(distances.bits[distanceState] as number);
    }
    expectSound(stream.left >= 0 && used + length <= literals.length);
    expectRoom(state, blockStart, length + match);
    appendLiterals(state, literals, used, used + length);
    used += length;
    const distance = distanceOf(value, length > 0, state.offsets);
    expectSound(distance > 0 && distance <= state.written);
    copyMatch(state, distance, match);
  }
  expectSound(stream.left === 0);
  expectRoom(state, blockStart, literals.length - used);
  appendLiterals(state, literals, used, literals.length);
}

/** Decodes the compressed block from `start` to `end` into the frame's output. */
export function decodeBlock(bytes: Buffer, start: number, end: number, state: FrameState): void {
  expectSound(end - start >= 2);
  const isCoded = ((bytes[start] as number) & 2) !== 0;
  const { literals, end: literalsEnd } = isCoded
    ? readCodedLiterals(bytes, start, end, state)
    : readPlainLiterals(bytes, start, end);
  expectSound(literalsEnd < end);
  const head = bytes[literalsEnd] as number;
  if (head === 0) {
    expectSound(literalsEnd + 1 === end);
    expectRoom(state, state.written, literals.length);
    appendLiterals(state, literals, 0, literals.length);
    return;
  }
  const countBytes = head < 128 ? 1 : head < 255 ? 2 : 3;
  let at = literalsEnd + countBytes;
  expectSound(at < end);
  let count = head;
  if (countBytes === 2) count = ((head - 128) << 8) + (bytes[literalsEnd + 1] as number);
  if (countBytes === 3) count = bytes.readUInt16LE(literalsEnd + 1) + 0x7f00;
  const modes = bytes[at++] as number;
  expectSound((modes & 3) === 0);
  at = readTable(bytes, at, end, modes >> 6, 0, state);
  at = readTable(bytes, at, end, (modes >> 4) & 3, 1, state);
  at = readTable(bytes, at, end, (modes >> 2) & 3, 2, state);
  runSequences(bytes, at, end, count, literals, state);
}
