import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readStatement } from './statement.ts';

const PATH = '/dev/data';

function copyIn(rewritten: string, format = 'text', columns = 0) {
  return { kind: 'copy-in', format, columns, rewritten };
}

function named(verb: string, name: string, start: number, end: number) {
  return { kind: 'named', uses: [{ verb, name, start, end }] };
}

test.each([
  ['select 1', { kind: 'plain' }],
  ['copy t from stdin', copyIn("copy t from '/dev/data'")],
  [
    'COPY s."T" ( a , "b,c" ) FROM StdIn;',
    copyIn(`COPY s."T" ( a , "b,c" ) FROM '/dev/data';`, 'text', 2),
  ],
  [
    'copy t from stdin (format binary)',
    copyIn("copy t from '/dev/data' (format binary)", 'binary'),
  ],
  [
    'copy t from stdin with (FORMAT Binary)',
    copyIn("copy t from '/dev/data' with (FORMAT Binary)", 'binary'),
  ],
  [
    "copy t from stdin (format 'binary')",
    copyIn("copy t from '/dev/data' (format 'binary')", 'binary'),
  ],
  ['copy t from stdin binary', copyIn("copy t from '/dev/data' binary", 'binary')],
  ['copy binary t from stdin', copyIn("copy binary t from '/dev/data'", 'binary')],
  ['copy binary from stdin', copyIn("copy binary from '/dev/data'")],
  [
    'copy t from stdin (format csv, header) where a > 1',
    copyIn("copy t from '/dev/data' (format csv, header) where a > 1"),
  ],
  ['copy t from stdin where binary > 1', copyIn("copy t from '/dev/data' where binary > 1")],
  [
    '/* a /* b */ ; */ copy t -- from\n from stdin',
    copyIn("/* a /* b */ ; */ copy t -- from\n from '/dev/data'"),
  ],
  ['copy (select 1) to stdout', { kind: 'plain' }],
  ["copy t from '/tmp/stdin'", { kind: 'plain' }],
  ["select 'copy t from stdin'", { kind: 'plain' }],
  ['select $$;copy t from stdin$$', { kind: 'plain' }],
  ['select $a$ $$ ; copy t from stdin $a$', { kind: 'plain' }],
  ["select E'\\'; copy t from stdin'", { kind: 'plain' }],
  ['select "; copy t from stdin"', { kind: 'plain' }],
  ['select 1; copy t from stdin', { kind: 'mixed-copy-in' }],
  ['copy t from stdin; select 1', { kind: 'mixed-copy-in' }],
  ['insert into t select 1 from stdin', { kind: 'plain' }],
  ['deallocate all', { kind: 'deallocate-all' }],
  ['DEALLOCATE PREPARE ALL;', { kind: 'deallocate-all' }],
  ['deallocate "all"', named('deallocate', 'all', 11, 16)],
  ['deallocate Abc', named('deallocate', 'abc', 11, 14)],
  ['deallocate prepare "A""b"', named('deallocate', 'A"b', 19, 25)],
  ['prepare p (int) as select $1', named('prepare', 'p', 8, 9)],
  ['prepare transaction', { kind: 'plain' }],
  ['explain (analyze) execute p(1)', named('execute', 'p', 26, 27)],
  ['create trigger t after insert on x execute function f()', { kind: 'plain' }],
  ['discard all', { kind: 'discard-all' }],
  ['discard plans', { kind: 'plain' }],
  ['discard all; select 1', { kind: 'plain' }],
] as const)('%s', (text, expected) => {
  expect(readStatement(text, PATH)).toEqual(expected);
});

test('any text is read to its end, and a plain one is left alone', () => {
  const pieces = fc.constantFrom(
    'copy',
    ' ',
    'stdin',
    "'",
    '"',
    '$$',
    '$a$',
    '/*',
    '*/',
    '--',
    '\n',
    ';',
    '(',
    ')',
    'from',
    'E',
    '\\',
    'ü',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 40 }), (words) => {
      const text = words.join('');
      const statement = readStatement(text, PATH);
      if (statement.kind === 'copy-in') expect(statement.rewritten).toContain(`'${PATH}'`);
    }),
    { numRuns: 1000 },
  );
});
