import { describe, expect, it } from 'vitest';
import { reply } from './reply.ts';
import { createRegistry, type PublicRoute, type Route } from './routes.ts';

const route: PublicRoute = {
  method: 'GET',
  path: '/v1/thing',
  grant: 'public',
  summary: 'A thing.',
  parameters: [],
  types: ['application/json'],
  handle: () => reply('{}'),
};

/** A route as careless code might register it, past the compiler. */
function without(grant: unknown): Route {
  return Object.assign({ ...route }, { grant });
}

describe('the registry', () => {
  it.each([undefined, null, '', 'open', true, {}, { action: 'fly' }, { action: undefined }])(
    'does not start with a route whose grant is %j',
    (grant) => {
      expect(() => createRegistry([without(grant)])).toThrow(
        expect.objectContaining({ code: 'route_without_grant' }),
      );
    },
  );

  it('does not start with the same route twice', () => {
    expect(() => createRegistry([route, route])).toThrow(
      expect.objectContaining({ code: 'route_twice' }),
    );
  });

  it('finds a route, for HEAD as for GET', () => {
    const registry = createRegistry([route]);
    expect(registry.find('HEAD', '/v1/thing')).toBe(route);
    expect(() => registry.find('POST', '/v1/thing')).toThrow(
      expect.objectContaining({ code: 'method_not_allowed' }),
    );
    expect(() => registry.find('GET', '/v1/things')).toThrow(
      expect.objectContaining({ code: 'not_found' }),
    );
  });
});
