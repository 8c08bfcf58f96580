import { expect, it } from 'vitest';
import { hasPlaces, pathValues } from './path.ts';

it.each([
  ['/v1/letters/{id}/replay', '/v1/letters/17/replay', { id: '17' }],
  ['/v1/letters/{id}/replay', '/v1/letters/a%2Fb/replay', { id: 'a/b' }],
  ['/v1/{a}/{b}', '/v1/x/y', { a: 'x', b: 'y' }],
  ['/v1/letters', '/v1/letters', {}],
  ['/v1/letters/{id}/replay', '/v1/letters//replay', undefined],
  ['/v1/letters/{id}/replay', '/v1/letters/%ff/replay', undefined],
  ['/v1/letters/{id}/replay', '/v1/letters/17', undefined],
  ['/v1/letters/{id}/replay', '/v1/letters/17/replay/', undefined],
  ['/v1/letters/{id}/replay', '/v1/letters/1/7/replay', undefined],
  ['/v1/letters/{id}/replay', '/v1/others/17/replay', undefined],
])('%s reads %s as %j', (template, path, values) => {
  expect(pathValues(template, path)).toEqual(values);
});

it('knows which paths have places', () => {
  expect(['/v1/{id}', '/v1/range', '/'].map(hasPlaces)).toEqual([true, false, false]);
});
