import { describe, expect, it } from 'vitest';
import { isLoopback } from './loopback.ts';
import { refusalByIssuer } from './words.ts';

describe('a refusal of the issuer', () => {
  it.each([
    ['access_denied', 'id.test did not let you in: access was denied.', true],
    ['login_required', 'id.test wants you to sign in again.', true],
    ['invalid_grant', 'Your session at id.test is over.', true],
    ['temporarily_unavailable', 'id.test cannot sign anybody in at the moment.', false],
    ['something_new', 'id.test refused: something_new.', true],
    ['toString', 'id.test refused: toString.', true],
  ])('%s is a sentence', (code, sentence, isFinal) => {
    expect(refusalByIssuer('id.test', code)).toMatchObject({ message: sentence, isFinal });
  });

  it('keeps the words of the issuer, within measure', () => {
    const { message } = refusalByIssuer('id.test', 'access_denied', ' not on shift ');
    expect(message).toMatch(/It says: not on shift$/);
    expect(
      refusalByIssuer('id.test', 'access_denied', 'x'.repeat(5_000)).message.length,
    ).toBeLessThan(300);
  });
});

it.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['localhost', true],
  ['id.localhost', true],
  ['[::1]', true],
  ['127.0.0.1.evil.test', false],
  ['localhost.evil.test', false],
  ['10.0.0.1', false],
])('without TLS %s: %s', (host, isAllowed) => {
  expect(isLoopback(host)).toBe(isAllowed);
});
