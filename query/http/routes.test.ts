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

/** Routes that the compiler refuses: `npx tsc --noEmit` fails where one of these lines has no error to expect. */
function refusedByTheCompiler(): readonly Route[] {
  const { grant: _, ...bare } = route;
  const { handle, ...unhandled } = route;
  const range = { action: 'range' } as const;
  const fly = { action: 'fly' } as const;
  const prepare = () => ({ facts: { protocol: 'http' }, handle });
  return [
    // @ts-expect-error: it does not say how it is granted
    { ...bare },
    // @ts-expect-error: not one of the ways to grant
    { ...bare, grant: 'open' },
    // @ts-expect-error: no such action
    { ...unhandled, grant: fly, prepare },
    // @ts-expect-error: decided, and does not say what the policy is to be told
    { ...unhandled, grant: range },
    // @ts-expect-error: a handler that would run before there is a decision
    { ...unhandled, grant: range, handle },
  ];
}

describe('the registry', () => {
  it('starts with none that the compiler refuses for want of a grant', () => {
    const [bare, open, flying] = refusedByTheCompiler();
    for (const one of [bare, open, flying]) {
      expect(() => createRegistry([one!])).toThrow(
        expect.objectContaining({ code: 'route_without_grant' }),
      );
    }
  });

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
