import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lifetimeOf, renewalTime } from './renewal-time.ts';

const NOW_MS = 1_800_000_000_000;

function tokenOf(claims: object): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
}

describe('a token is renewed', () => {
  it.each([
    ['an hour', 3_600, 2_880],
    ['ten minutes', 600, 480],
    ['two minutes', 120, 60],
    ['one minute', 60, 30],
    ['two seconds', 2, 1],
  ])('of %s in time', (_words, lifetimeS, afterS) => {
    expect(renewalTime(NOW_MS, lifetimeS * 1_000)).toBe(NOW_MS + afterS * 1_000);
  });

  it('never in the first half of its life, and never after 80 % of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), (lifetimeMs) => {
        const afterMs = renewalTime(NOW_MS, lifetimeMs) - NOW_MS;
        expect(afterMs).toBeGreaterThanOrEqual(Math.floor(lifetimeMs / 2));
        expect(afterMs).toBeLessThanOrEqual(Math.ceil(lifetimeMs * 0.8));
      }),
    );
  });
});

describe('a lifetime', () => {
  it.each<[string, number | undefined, string, number]>([
    ['is what the issuer says', 90, tokenOf({ exp: 1 }), 90_000],
    ['else ends with the token', undefined, tokenOf({ exp: NOW_MS / 1_000 + 60 }), 60_000],
    ['else is guessed', undefined, 'opaque', 300_000],
    ['is guessed for a token that cannot be read', undefined, 'a.b.c', 300_000],
    ['is guessed for one that is over', 0, tokenOf({ exp: NOW_MS / 1_000 - 1 }), 300_000],
    ['is guessed for an exp that is no number', undefined, tokenOf({ exp: 'soon' }), 300_000],
  ])('%s', (_sentence, expiresInS, token, ms) => {
    expect(lifetimeOf(expiresInS, token, NOW_MS)).toBe(ms);
  });
});
