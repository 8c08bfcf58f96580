// Principals come as a JSON list or one a line, and what is wrong with them is said all at once.
import { expect, it, test } from 'vitest';
import { readPrincipals } from './principals.ts';

const CLAIMS = { tenant: 'acme', roles: ['device'] };

it('reads a list and lines alike', () => {
  const entries = [
    { username: 'plc-1', claims: { ...CLAIMS, sub: 'one', assets: ['rig-1'], exp: 7 } },
    { username: 'plc-2', claims: CLAIMS },
  ];
  const lines = entries.map((entry) => JSON.stringify(entry)).join('\n\n');
  const read = readPrincipals(`${lines}\n`);
  expect(read).toEqual(readPrincipals(JSON.stringify(entries, null, 2)));
  expect(read).toEqual([
    entries[0],
    { username: 'plc-2', claims: { ...CLAIMS, sub: 'plc-2', exp: 253_402_300_799 } },
  ]);
});

it('reads nobody from nothing', () => {
  expect(readPrincipals('\n')).toEqual([]);
});

const WRONG: readonly (readonly [text: string, words: RegExp])[] = [
  ['{', /line 1 is no JSON/],
  ['[{]', /the list is no JSON/],
  ['7', /entry 1: /],
  [JSON.stringify([{ username: '', claims: CLAIMS }]), /entry 1\.username/],
  [JSON.stringify([{ username: 'a', claims: { roles: [] } }]), /entry 1\.claims\.tenant/],
  [JSON.stringify([{ username: 'a', claims: { tenant: 'b', roles: 'device' } }]), /claims\.roles/],
  [JSON.stringify([{ username: 'a', claims: CLAIMS, password: 'x' }]), /password/],
  [
    JSON.stringify([1, 2].map(() => ({ username: 'a', claims: CLAIMS }))),
    /entry 2: .*"a" comes twice/,
  ],
];

test.each(WRONG)('refuses %s', (text, words) => {
  expect(() => readPrincipals(text)).toThrow(
    expect.objectContaining({ code: 'principals_invalid', message: expect.stringMatching(words) }),
  );
});
