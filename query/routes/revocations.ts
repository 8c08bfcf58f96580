// POST and GET /v1/revocations: ends tokens before their time, and lists what was ended. Always of the caller's own
// tenant: neither a body nor a parameter names another.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import { isName } from '../../policies/tokens/verifier.ts';
import type { KeptRevocation, RevocationStore } from '../../store/revocations.ts';
import { reply } from '../http/reply.ts';
import type { Request } from '../http/request.ts';
import type { DecidedRoute, JsonBody, Parameter } from '../http/routes.ts';
import { invalidParameter, pagingParameters, parameterReader, wholeNumber } from '../parameters.ts';
import { parseTimeUs } from '../range/times.ts';
import { factsOf } from './facts.ts';

const PATH = '/v1/revocations';
const BODY_BYTES_MAX = 16 * 1024;
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;

const BODY: JsonBody = {
  description:
    'Either `subject`, whose tokens issued until now are over, or `jti`, the id of one token. From `expires_at` on ' +
    '(RFC 3339 or Unix seconds) no such token can be left, and the revocation is forgotten; unless given, after the ' +
    'longest life of a token (`JWT_LIFETIME_MAX`), or never.',
  properties: {
    subject: { type: 'string', minLength: 1 },
    jti: { type: 'string', minLength: 1 },
    expires_at: { oneOf: [{ type: 'string', format: 'date-time' }, { type: 'number' }] },
  },
  example: { subject: 'acme/viewer', expires_at: '2027-01-01T00:00:00Z' },
};

const LIST_PARAMETERS: readonly Parameter[] = [
  ...pagingParameters('revocations of an answer', LIMIT_MAX, LIMIT_DEFAULT),
];

export interface RevocationRoutesOptions {
  readonly revocations?: RevocationStore | undefined;
  readonly clock: Clock;
  /** How long a token can be good, where that is bounded. */
  readonly tokenLifetimeMaxMs?: number | undefined;
}

/** Makes both routes; none where there is no store. */
export function revocationRoutes(options: RevocationRoutesOptions): DecidedRoute[] {
  const { revocations: store, clock, tokenLifetimeMaxMs: lifetimeMaxMs } = options;
  if (store === undefined) return [];
  const common = { path: PATH, grant: { action: 'revoke' }, types: ['application/json'] } as const;
  return [
    {
      ...common,
      method: 'POST',
      summary: 'Ends the tokens of a subject of the caller’s tenant, or one token by its id.',
      parameters: [],
      body: BODY,
      status: 201,
      prepare(request) {
        const nowMs = clock();
        const { target, name, expiresAtMs } = readOrder(request, nowMs);
        const untilMs = lifetimeMaxMs === undefined ? undefined : nowMs + lifetimeMaxMs;
        return {
          facts: factsOf(request),
          async handle({ claims: { tenant, sub: revokedBy } }) {
            const order = { tenant, target, name, expiresAtMs: expiresAtMs ?? untilMs, revokedBy };
            const kept = await store.revoke(order);
            return reply(JSON.stringify(view(kept)), { status: 201 });
          },
        };
      },
    },
    {
      ...common,
      method: 'GET',
      summary: 'Lists the revocations of the caller’s tenant, the newest first.',
      parameters: LIST_PARAMETERS,
      prepare(request) {
        const reader = parameterReader(request.query, LIST_PARAMETERS);
        const limit = wholeNumber(reader, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT;
        const bounds = { min: 1, max: Number.MAX_SAFE_INTEGER };
        const before = wholeNumber(reader, 'page', bounds) ?? Number.MAX_SAFE_INTEGER;
        return {
          facts: factsOf(request),
          async handle({ claims: { tenant } }) {
            const found = await store.list(tenant, { before, limit: limit + 1 });
            const page = found.slice(0, limit);
            const next = found.length > limit ? String(page.at(-1)?.id) : undefined;
            return reply(JSON.stringify({ revocations: page.map(view), next }));
          },
        };
      },
    },
  ];
}

function view({ id, target, name, revokedAtMs, expiresAtMs, revokedBy }: KeptRevocation) {
  return {
    id,
    ...(target === 'subject' ? { subject: name } : { jti: name }),
    revoked_at: revokedAtMs,
    expires_at: expiresAtMs,
    revoked_by: revokedBy,
  };
}

interface Order {
  readonly target: 'subject' | 'token';
  readonly name: string;
  readonly expiresAtMs: number | undefined;
}

/** Reads the body. @throws TailraceError `bad_request`, `body_too_large`, `missing_parameter`, `bad_parameter`. */
function readOrder(request: Request, nowMs: number): Order {
  const body = readObject(request.body ?? new Uint8Array());
  const unknown = Object.keys(body).find((member) => !Object.hasOwn(BODY.properties, member));
  if (unknown !== undefined) {
    throw invalidParameter(unknown, 'is no member of this body: subject, jti, expires_at');
  }
  const { subject, jti, expires_at } = body;
  if (subject !== undefined && jti !== undefined) {
    throw new TailraceError('conflicting_parameters', 'jti: give it or subject, not both', {
      details: { parameter: 'jti' },
    });
  }
  const expiresAtMs = expires_at === undefined ? undefined : readTime(expires_at, nowMs);
  if (subject !== undefined) {
    return { target: 'subject', name: readName('subject', subject), expiresAtMs };
  }
  if (jti !== undefined) return { target: 'token', name: readName('jti', jti), expiresAtMs };
  throw new TailraceError('missing_parameter', 'subject: it is needed, or jti', {
    details: { parameter: 'subject' },
  });
}

function readObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  if (bytes.length > BODY_BYTES_MAX) {
    throw new TailraceError('body_too_large', `This body may have ${BODY_BYTES_MAX} bytes.`);
  }
  let read: unknown;
  try {
    read = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    read = undefined;
  }
  if (typeof read === 'object' && read !== null && !Array.isArray(read)) {
    return read as Readonly<Record<string, unknown>>;
  }
  throw new TailraceError('bad_request', 'The body has to be a JSON object: {"subject":"…"}.');
}

function readName(member: string, given: unknown): string {
  if (typeof given !== 'string' || given === '') throw invalidParameter(member, 'has to be text');
  if (isName(given)) return given;
  throw invalidParameter(member, 'is none that a token can have: too long, or no text');
}

function readTime(given: unknown, nowMs: number): number {
  const text = typeof given === 'number' ? String(given) : given;
  const us = typeof text === 'string' ? parseTimeUs(text, nowMs * 1_000) : undefined;
  if (us === undefined) {
    throw invalidParameter('expires_at', 'has to be a time in RFC 3339 or Unix seconds');
  }
  const ms = Math.ceil(us / 1_000);
  if (ms <= nowMs) throw invalidParameter('expires_at', 'has to lie ahead');
  return ms;
}
