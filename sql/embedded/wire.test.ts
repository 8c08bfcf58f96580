import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createFrameReader,
  endingState,
  errorResponse,
  faultFields,
  frame,
  int32,
  messagesOf,
  type Opening,
  ProtocolViolation,
  parseParts,
  readyForQuery,
  rowValues,
  typeOf,
} from './wire.ts';

const BYTES_MAX = 1_000_000;

function startup(parameters: Record<string, string>): Buffer {
  const words = Object.entries(parameters).flat();
  const body = Buffer.concat([
    int32(196608),
    ...words.map((word) => Buffer.from(`${word}\0`)),
    Buffer.from([0]),
  ]);
  return Buffer.concat([int32(body.length + 4), body]);
}

/** Feeds bytes in pieces and gives everything that was read. */
function readAll(pieces: readonly Buffer[]): { opening: Opening | undefined; messages: Buffer[] } {
  const reader = createFrameReader(BYTES_MAX);
  const messages: Buffer[] = [];
  let opening: Opening | undefined;
  for (const piece of pieces) {
    reader.push(piece);
    opening ??= reader.opening();
    while (opening !== undefined) {
      const message = reader.message();
      if (message === undefined) break;
      messages.push(Buffer.from(message));
    }
  }
  return { opening, messages };
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

const anyFrame = fc
  .tuple(fc.constantFrom(...'BCDEFHPQSXcdf'), fc.uint8Array({ maxLength: 300 }))
  .map(([type, body]) => frame(type, body));

test('frames come out the same however their bytes are split', () => {
  fc.assert(
    fc.property(
      fc.array(anyFrame, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      (frames, places) => {
        const bytes = Buffer.concat([startup({ user: 'postgres', database: 'ü' }), ...frames]);
        const { opening, messages } = readAll(cut(bytes, places));
        expect(opening).toMatchObject({ kind: 'startup' });
        expect(messages).toEqual(frames);
      },
    ),
  );
});

test('garbage is refused as a violation of the protocol, or waits for more, and throws nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), (bytes) => {
      for (const first of [Buffer.from(bytes), Buffer.concat([startup({ user: 'a' }), bytes])]) {
        try {
          readAll([first]);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolViolation);
        }
      }
    }),
    { numRuns: 500 },
  );
});

describe('an opening packet', () => {
  const cases: readonly (readonly [string, Buffer, Opening])[] = [
    ['SSLRequest', Buffer.concat([int32(8), int32(80877103)]), { kind: 'ssl' }],
    ['GSSENCRequest', Buffer.concat([int32(8), int32(80877104)]), { kind: 'gss' }],
    [
      'CancelRequest',
      Buffer.concat([int32(16), int32(80877102), int32(7), int32(-9)]),
      { kind: 'cancel', processId: 7, secret: -9 },
    ],
    [
      'StartupMessage',
      startup({ user: 'postgres', application_name: 'x' }),
      {
        kind: 'startup',
        parameters: new Map([
          ['user', 'postgres'],
          ['application_name', 'x'],
        ]),
      },
    ],
  ];
  test.each(cases)('%s is understood', (_name, bytes, expected) => {
    expect(readAll([bytes]).opening).toEqual(expected);
  });

  test.each([
    ['a length below its own', int32(3)],
    ['a length beyond the bound', int32(10_001)],
    ['protocol 2', Buffer.concat([int32(8), int32(2 << 16)])],
  ])('%s is refused', (_name, bytes) => {
    expect(() => readAll([Buffer.concat([bytes, Buffer.alloc(8)])])).toThrow(ProtocolViolation);
  });
});

test('a message that is larger than the bound is refused before its bytes come', () => {
  const reader = createFrameReader(1000);
  reader.push(Buffer.concat([Buffer.from('Q'), int32(1001)]));
  expect(() => reader.message()).toThrow(ProtocolViolation);
});

test('a Parse without a terminator is refused', () => {
  expect(() => parseParts(frame('P', Buffer.from('abc')))).toThrow(ProtocolViolation);
});

test('an error carries its fields', () => {
  const fields = faultFields(errorResponse({ code: '57014', message: 'stop', hint: 'wait' }));
  expect(Object.fromEntries(fields)).toEqual({
    S: 'ERROR',
    V: 'ERROR',
    C: '57014',
    M: 'stop',
    H: 'wait',
  });
});

test('an answer is walked message by message, and its end tells the state', () => {
  const row = frame('D', Buffer.from([0, 2]), int32(-1), int32(1), Buffer.from('x'));
  const answer = Buffer.concat([row, frame('C', 'SELECT 1'), readyForQuery('T')]);
  expect([...messagesOf(answer)].map(typeOf)).toEqual(['D', 'C', 'Z']);
  expect(rowValues(row)).toEqual([null, 'x']);
  expect(endingState(answer)).toBe('T');
  expect(endingState(row)).toBeUndefined();
});
