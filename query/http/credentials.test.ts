import { expect, it } from 'vitest';
import { foreignAuthorization } from './credentials.ts';
import type { Request } from './request.ts';

function request(header: string | undefined, query = ''): Request {
  return {
    ...{ method: 'POST', path: '/write', query: new URLSearchParams(query) },
    headers: new Map(header === undefined ? [] : [['authorization', header]]),
    ...{ peer: '127.0.0.1', urlBytes: 6, headerBytes: 0 },
  };
}

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`;

it.each([
  ['Bearer as it is', 'Bearer a.b.c', '', 'Bearer a.b.c'],
  ['Token', 'Token a.b.c', '', 'Bearer a.b.c'],
  ['Token in small letters', 'token  a.b.c ', '', 'Bearer a.b.c'],
  ['Basic: the password, whoever the user is', basic('anna:a.b.c'), '', 'Bearer a.b.c'],
  ['Basic without a user', basic(':a.b.c'), '', 'Bearer a.b.c'],
  ['Basic whose password holds a colon', basic('u:a:b'), '', 'Bearer a:b'],
  ['Basic without a colon stays what it is', basic('abc'), '', basic('abc')],
  ['another scheme stays what it is', 'Digest x', '', 'Digest x'],
  ['the password of the URL', undefined, 'u=anna&p=a.b.c', 'Bearer a.b.c'],
  ['a header before the URL', 'Token a.b.c', 'u=anna&p=d.e.f', 'Bearer a.b.c'],
  ['an empty password', undefined, 'u=anna&p=', undefined],
  ['nothing', undefined, 'db=rig', undefined],
])('reads %s', (_what, header, query, expected) => {
  expect(foreignAuthorization(request(header, query))).toBe(expected);
});
