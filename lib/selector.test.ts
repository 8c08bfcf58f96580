// Selectors: what is read, what is refused and where, what matches.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { TailraceError } from './errors.ts';
import {
  compileSelector,
  formatSelector,
  type MatchOperator,
  parseSelector,
  type Selectable,
  type Selector,
} from './selector.ts';
import {
  compiledRegexes,
  compileRegex,
  REGEX_CACHE_MAX,
  REGEX_LENGTH_MAX,
} from './selector-regex.ts';

const READ: readonly (readonly [text: string, selector: Selector])[] = [
  ['{}', []],
  ['{asset="rig-7"}', [{ label: 'asset', op: '=', value: 'rig-7' }]],
  [
    `{asset="rig-7",channel=~"mud/.+",other!="x",y!~'z'}`,
    [
      { label: 'asset', op: '=', value: 'rig-7' },
      { label: 'channel', op: '=~', value: 'mud/.+' },
      { label: 'other', op: '!=', value: 'x' },
      { label: 'y', op: '!~', value: 'z' },
    ],
  ],
  [' { a = "b" , } # said', [{ label: 'a', op: '=', value: 'b' }]],
  ['{a=`\\d"\'`}', [{ label: 'a', op: '=', value: '\\d"\'' }]],
  ['{a="\\"\\\\\\n\\t"}', [{ label: 'a', op: '=', value: '"\\\n\t' }]],
  ["{a='\\'\"'}", [{ label: 'a', op: '=', value: '\'"' }]],
  ['{a="\\u00e9\\U0001F600\\xe2\\x82\\xac\\101"}', [{ label: 'a', op: '=', value: 'é😀€A' }]],
  ['{"site id"="7"}', [{ label: 'site id', op: '=', value: '7' }]],
  [
    '{on="x",__a="",a=""}',
    ['on', '__a', 'a'].map((label, n) => ({ label, op: '=', value: n === 0 ? 'x' : '' })),
  ],
];

const REFUSED: readonly (readonly [text: string, position: number, words: RegExp])[] = [
  ['', 1, /expected \{ but found the end/],
  ['up', 1, /no metric name; write \{channel="up"\}/],
  ['up{a="b"}', 1, /no metric name/],
  ['asset="rig-7"', 1, /expected \{ but found asset/],
  ['{a="b"', 7, /expected , or \} but found the end/],
  ['{a="b" c="d"}', 8, /expected , or \}/],
  ['{,}', 2, /expected a label name/],
  ['{a="b",,}', 8, /expected a label name/],
  ['{""="b"}', 2, /not empty/],
  ['{a}', 3, /expected =, !=, =~ or !~/],
  ['{a=="b"}', 4, /expected a value in quotes/],
  ['{a=b}', 4, /expected a value in quotes/],
  ['{a="b}', 4, /not closed/],
  ['{a="b\n"}', 4, /not closed/],
  ['{a=`b}', 4, /not closed/],
  ['{a="b\\q"}', 6, /\\q is no escape/],
  ['{a="\\\'"}', 5, /is no escape/],
  ['{a="\\ud800"}', 5, /is no escape/],
  ['{a="\\xff"}', 5, /do not make UTF-8/],
  ['{a="b"} or', 9, /nothing after \}/],
  ['{a=~"("}', 5, /missing closing \)/],
  ['{a=~"(?=x)"}', 5, /refused/],
  ['{a="b",c!~"x{1001}"}', 11, /refused/],
  [`{a=~"${'x'.repeat(REGEX_LENGTH_MAX + 1)}"}`, 5, /longer than 1000 characters/],
  ['{a=~"[^a]{900}[^a]{900}"}', 5, /more than 1000 instructions/],
  ['{a=~"(?:abcd){400}"}', 5, /more than 1000 instructions/],
  [`{${'a="b",'.repeat(33)}}`, 194, /more than 32 matchers/],
  [`{a="${'x'.repeat(5000)}"}`, 4097, /longer than 4096 characters/],
];

function refusal(text: string): TailraceError {
  try {
    parseSelector(text);
  } catch (thrown) {
    if (thrown instanceof TailraceError) return thrown;
    throw thrown;
  }
  throw new Error(`${text} was accepted`);
}

describe('reading a selector', () => {
  test.each(READ)('understands %s', (text, selector) => {
    expect(parseSelector(text)).toEqual(selector);
  });

  const cases = REFUSED.map(([text, position, words]) => [position, words, text] as const);
  test.each(cases)('says at character %i: %s', (position, words, text) => {
    const error = refusal(text);
    expect(error.code).toBe('selector_invalid');
    expect(error.message).toMatch(words);
    expect(error.details).toEqual({ position });
  });

  const operators: readonly MatchOperator[] = ['=', '!=', '=~', '!~'];
  const matcher = fc
    .record({
      label: fc.oneof(
        fc.constantFrom('asset', 'channel', '_x9'),
        fc.string({ unit: 'binary', minLength: 1, maxLength: 9 }),
      ),
      op: fc.constantFrom(...operators),
      value: fc.string({ unit: 'binary', maxLength: 20 }),
    })
    .map((made) =>
      made.op.includes('~') ? { ...made, value: made.value.replace(/[\W]/g, '') } : made,
    );

  it('reads back what formatSelector wrote', () => {
    fc.assert(
      fc.property(fc.array(matcher, { maxLength: 6 }), (selector) => {
        expect(parseSelector(formatSelector(selector))).toEqual(selector);
      }),
    );
  });

  it('throws nothing but TailraceError, whatever it is given', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      'a',
      '=~',
      '!~',
      '=',
      '"',
      "'",
      '`',
      '\\',
      ',',
      '(',
      '[',
      '*',
      '#',
      '\n',
      'x{9}',
      '\\u12',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
      fc.string().map((value) => `{a=~${JSON.stringify(value)}}`),
    );
    fc.assert(
      fc.property(text, (made) => {
        try {
          parseSelector(made);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(TailraceError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('matching a selector', () => {
  const series: Selectable = {
    asset: 'rig-7',
    channel: 'mud/flow in',
    labels: { site: 'north', asset: 'not this', note: 'two\nlines' },
    unit: 'L/min',
  };
  const MATCHES: readonly (readonly [text: string, matches: boolean])[] = [
    ['{}', true],
    ['{asset="rig-7"}', true],
    ['{asset="not this"}', false],
    ['{asset="rig-7",channel="mud/flow in"}', true],
    ['{asset="rig-7",channel="mud"}', false],
    ['{channel=~"mud"}', false],
    ['{channel=~"mud/.+"}', true],
    ['{channel=~"mud/.*"}', true],
    ['{channel=~"mud/flow in.+"}', false],
    ['{channel=~"mud/flow in.*"}', true],
    ['{channel=~"x|mud/flow in"}', true],
    ['{channel=~"(?i)MUD/F[a-z]+ in"}', true],
    ['{channel!~"mud/.+"}', false],
    ['{channel!~"mud"}', true],
    ['{unit="L/min"}', true],
    ['{site=""}', false],
    ['{absent=""}', true],
    ['{absent!=""}', false],
    ['{absent!="x"}', true],
    ['{absent=~""}', true],
    ['{absent=~".+"}', false],
    ['{absent=~".*"}', true],
    ['{absent=~"x|"}', true],
    ['{absent!~"x"}', true],
    ['{constructor=""}', true],
    ['{__proto__=""}', true],
    ['{note=~"two.lines"}', true],
  ];
  test.each(MATCHES)('%s: %s', (text, matches) => {
    expect(compileSelector(parseSelector(text))(series)).toBe(matches);
  });

  it('refuses a bad expression that did not come through the parser', () => {
    expect(() => compileSelector([{ label: 'a', op: '=~', value: '(' }])).toThrow(TailraceError);
  });

  it('agrees with JavaScript where the two languages are one', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '/',
      '[ab]',
      '[^a]',
      'a.',
      '.b',
      'x',
      '\\d',
      '.*',
      '.+',
      'a|b',
      '\\.',
    );
    const wrapped = fc.tuple(
      fc.array(atom, { maxLength: 4 }),
      fc.constantFrom('', '*', '+', '?', '{1,2}'),
    );
    const source = fc
      .array(wrapped, { maxLength: 4 })
      .map((groups) =>
        groups
          .map(([atoms, times]) =>
            times === '' ? atoms.join('') : `(?:${atoms.join('')})${times}`,
          )
          .join(''),
      );
    const value = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'x', '1', '.', '\n', '😀') });
    fc.assert(
      fc.property(source, value, (regex, text) => {
        const ours = compileSelector([{ label: 'asset', op: '=~', value: regex }]);
        const theirs = new RegExp(`^(?:${regex})$`, 'su');
        expect(ours({ asset: text, channel: '', labels: {} })).toBe(theirs.test(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps a bounded number of compiled expressions', () => {
    for (let n = 0; n < REGEX_CACHE_MAX + 50; n += 1) compileRegex(`rig-${n}`);
    expect(compiledRegexes()).toBe(REGEX_CACHE_MAX);
  });
});
