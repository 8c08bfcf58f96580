import { expect, it } from 'vitest';
import type { Request } from '../http/request.ts';
import { signInRoute } from './sign-in.ts';

const REQUEST: Request = {
  ...{ method: 'GET', path: '/v1/sign-in', query: new URLSearchParams(), headers: new Map() },
  ...{ peer: '127.0.0.1', urlBytes: 1, headerBytes: 0 },
};
const SIGN_IN = { issuer: 'https://id.example.org/plant', clientId: 'charts', scope: 'openid' };

it.each([
  [SIGN_IN, { issuer: SIGN_IN.issuer, client_id: 'charts', scope: 'openid' }],
  [
    { ...SIGN_IN, resource: 'https://tailrace.example.org' },
    {
      ...{ issuer: SIGN_IN.issuer, client_id: 'charts', scope: 'openid' },
      resource: 'https://tailrace.example.org',
    },
  ],
])('tells anybody where one signs in', async (signIn, told) => {
  const answer = await signInRoute(signIn).handle(REQUEST);
  expect(answer).toMatchObject({ kind: 'whole', status: 200 });
  expect(JSON.parse(String('body' in answer && answer.body))).toEqual(told);
});

it('is not there where no sign-in is configured', () => {
  expect(() => signInRoute(undefined).handle(REQUEST)).toThrow(
    expect.objectContaining({ code: 'not_found' }),
  );
});
