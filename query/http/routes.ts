// The routes, each with how it is granted: one that does not say so does not start.
import { TailraceError } from '../../lib/errors.ts';
import { ACTIONS, type Action, type Claims, type Grant } from '../../policies/grant.ts';
import { hasPlaces, pathValues } from './path.ts';
import type { AnyReply, Reply } from './reply.ts';
import type { Request } from './request.ts';

/** A query parameter: what the OpenAPI page says about it. `schema` is JSON Schema. */
export interface Parameter {
  readonly name: string;
  readonly description: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly required?: boolean;
  readonly example?: string;
}

/** The JSON body of a POST: what the OpenAPI page says about it. `properties` are JSON Schema. */
export interface JsonBody {
  readonly description: string;
  readonly properties: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly example: Readonly<Record<string, unknown>>;
}

/** A POST's body of any bytes: what the OpenAPI page says about it. */
export interface BytesBody {
  readonly description: string;
  /** An example by media type. Other types are taken too. */
  readonly examples: Readonly<Record<string, string>>;
}

interface RouteCommon {
  readonly method: 'GET' | 'POST';
  /** May have places for values, as `/v1/things/{id}`: `pathValues` reads them. */
  readonly path: string;
  readonly summary: string;
  readonly parameters: readonly Parameter[];
  /** Of the path's places. */
  readonly pathParameters?: readonly Parameter[];
  readonly body?: JsonBody | BytesBody;
  /** Media types of the answer, the default first. */
  readonly types: readonly string[];
  /** The answer as JSON: what the OpenAPI page says about it, as JSON Schema. */
  readonly answer?: Readonly<Record<string, unknown>>;
  /** Asked by whoever watches over the process: also answered where its address is over its limit. */
  readonly isProbe?: true;
  /** Status of success; 200 unless said. */
  readonly status?: number;
  /** The request's Authorization header in the form that this server knows, where clients have forms of their own. */
  readonly authorization?: (request: Request) => string | undefined;
  /** Puts an error into the form that the route's clients read. */
  readonly refusal?: (problem: Reply) => Reply;
}

/** What the policy may know of a request beside who sent it; times in ms since 1970. */
export interface RequestFacts {
  readonly start?: number;
  readonly end?: number;
  readonly step_ms?: number | null;
  readonly protocol: string;
  readonly origin?: string;
}

/** Who asks, and what the policy allows. */
interface Access {
  readonly claims: Claims;
  readonly grant: Grant;
  /** Fires when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** A request that was read and found well-formed, waiting for its decision. */
interface Prepared {
  readonly facts: RequestFacts;
  /** Of a write: what it is for, as far as the request itself says. */
  readonly target?: { readonly asset: string; readonly channel?: string };
  handle(access: Access): Promise<AnyReply> | AnyReply;
}

type Handler = (request: Request) => Promise<AnyReply> | AnyReply;

export interface PublicRoute extends RouteCommon {
  readonly grant: 'public';
  readonly handle: Handler;
}

export interface LoopbackRoute extends RouteCommon {
  readonly grant: 'loopback';
  readonly handle: Handler;
}

/** Any verified token will do, because the answer is about that token. */
export interface SubjectRoute extends RouteCommon {
  readonly grant: 'subject';
  readonly handle: (request: Request, claims: Claims) => Promise<AnyReply> | AnyReply;
}

export interface DecidedRoute extends RouteCommon {
  readonly grant: { readonly action: Action };
  /** Whether `?ticket=` may stand for a token. */
  readonly ticket?: boolean;
  /** Reads the parameters; throws TailraceError for those that cannot be used. */
  readonly prepare: (request: Request) => Prepared;
}

export type Route = PublicRoute | LoopbackRoute | SubjectRoute | DecidedRoute;

/** Whether a ticket may stand for a token. */
export function takesTicket(route: Route): boolean {
  return typeof route.grant === 'object' && 'ticket' in route && route.ticket === true;
}

export interface Registry {
  readonly routes: readonly Route[];
  /**
   * The route of a request. HEAD is answered by GET's.
   *
   * @throws TailraceError `not_found`, `method_not_allowed`.
   */
  find(method: string, path: string): Route;
  /** The same; undefined where there is none. */
  peek(method: string, path: string): Route | undefined;
  /** Methods of a path, as in an Allow header; empty where there is no such path. */
  methods(path: string): string;
  /** The path as its routes have it, places unfilled; undefined where there is no such path. */
  templateOf(path: string): string | undefined;
}

function isGranted(route: Route): boolean {
  const grant: unknown = route.grant;
  if (grant === 'public' || grant === 'loopback' || grant === 'subject') return true;
  if (typeof grant !== 'object' || grant === null || !('action' in grant)) return false;
  return ACTIONS.some((action) => action === grant.action);
}

/**
 * Makes a registry.
 *
 * @throws TailraceError `route_without_grant`, `route_twice`: such a server must not start.
 */
export function createRegistry(routes: readonly Route[]): Registry {
  const byPath = new Map<string, Map<string, Route>>();
  for (const route of routes) {
    if (!isGranted(route)) {
      throw new TailraceError(
        'route_without_grant',
        `${route.method} ${route.path} does not say how it is granted.`,
      );
    }
    const methods = byPath.get(route.path) ?? new Map<string, Route>();
    if (methods.has(route.method)) {
      throw new TailraceError('route_twice', `${route.method} ${route.path} is there twice.`);
    }
    byPath.set(route.path, methods.set(route.method, route));
  }

  const templates = [...byPath.keys()].filter(hasPlaces);

  function templateOf(path: string): string | undefined {
    if (byPath.has(path)) return path;
    return templates.find((template) => pathValues(template, path) !== undefined);
  }

  function at(path: string): Map<string, Route> | undefined {
    return byPath.get(templateOf(path) ?? '');
  }

  function methods(path: string): string {
    const found = at(path);
    if (found === undefined) return '';
    return [...found.keys(), ...(found.has('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
  }

  function peek(method: string, path: string): Route | undefined {
    return at(path)?.get(method === 'HEAD' ? 'GET' : method);
  }

  return {
    routes,
    methods,
    peek,
    templateOf,
    find(method, path) {
      if (templateOf(path) === undefined) {
        throw new TailraceError('not_found', 'There is no such path; /docs lists those there are.');
      }
      const route = peek(method, path);
      if (route === undefined) {
        const allow = methods(path);
        throw new TailraceError('method_not_allowed', `This path takes ${allow}.`, {
          details: { allow },
        });
      }
      return route;
    },
  };
}
