// GET /v1/sign-in: where the chart page signs in. Public, because whoever asks has no token yet; nothing in it is secret.
import { TailraceError } from '../../lib/errors.ts';
import { reply } from '../http/reply.ts';
import type { PublicRoute } from '../http/routes.ts';

/** An OpenID Connect issuer, and the public client that this page is to it. */
export interface SignIn {
  /** As the issuer writes itself in its discovery document. */
  readonly issuer: string;
  readonly clientId: string;
  /** Scopes, separated by blanks. */
  readonly scope: string;
  /** What the access token is asked for (RFC 8707). */
  readonly resource?: string | undefined;
}

/** Makes the route; it answers 404 where no sign-in is configured. */
export function signInRoute(signIn: SignIn | undefined): PublicRoute {
  return {
    method: 'GET',
    path: '/v1/sign-in',
    grant: 'public',
    summary:
      'Says at which OpenID Connect issuer the chart page signs in: `issuer`, `client_id`, `scope`, `resource`.',
    parameters: [],
    types: ['application/json'],
    handle() {
      if (signIn === undefined) {
        throw new TailraceError('not_found', 'No sign-in is configured here: use a token.');
      }
      const { issuer, clientId, scope, resource } = signIn;
      return reply(JSON.stringify({ issuer, client_id: clientId, scope, resource }));
    },
  };
}
