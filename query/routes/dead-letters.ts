// GET /v1/dead-letters and POST /v1/dead-letters/{id}/replay: what could not be stored of the caller's own tenant.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import { compileSelector, type Selector } from '../../lib/selector.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import { permittedSpan } from '../../policies/obligations.ts';
import type {
  DeadLetterFilter,
  DeadLetterRecord,
  DeadLetters,
} from '../../store/dead-letters-list.ts';
import type { Authority } from '../authority.ts';
import { pathValues } from '../http/path.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute, Parameter, RequestFacts } from '../http/routes.ts';
import {
  invalidParameter,
  oneOf,
  type ParameterReader,
  pagingParameters,
  parameterReader,
  wholeNumber,
} from '../parameters.ts';
import { parseTimeUs } from '../range/times.ts';
import { factsOf } from './facts.ts';

const LIST_PATH = '/v1/dead-letters';
const REPLAY_PATH = '/v1/dead-letters/{id}/replay';
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 1_000;
const TEXT_CHARS_MAX = 8_192;

const PARAMETERS: readonly Parameter[] = [
  {
    name: 'start',
    description: 'Only what was received from then on: RFC 3339, Unix seconds, or `now-6h`.',
    schema: { type: 'string' },
    example: 'now-1d',
  },
  {
    name: 'end',
    description: 'Only what was received before then.',
    schema: { type: 'string' },
  },
  {
    name: 'code',
    description: 'Only letters with this code.',
    schema: { type: 'string' },
    example: 'kind_changed',
  },
  {
    name: 'topic',
    description:
      'Only topics that begin so; with `+` or `#`, those that this filter of MQTT takes.',
    schema: { type: 'string' },
    example: 't/acme/+/mud/#',
  },
  {
    name: 'replayed',
    description: 'Only what was replayed, or only what was not.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  ...pagingParameters(
    'letters of an answer; it ends earlier where they are large',
    LIMIT_MAX,
    LIMIT_DEFAULT,
  ),
];

const PATH_PARAMETERS: readonly Parameter[] = [
  { name: 'id', description: 'The letter’s `id`.', schema: { type: 'integer', minimum: 1 } },
];

export interface DeadLetterRoutesOptions {
  readonly deadLetters?: DeadLetters | undefined;
  readonly authority: Authority;
  readonly clock: Clock;
}

/** A letter as answers and `tailrace dead-letters list --json` have it: times in ms since 1970, bytes in base64. */
export function deadLetterView(letter: DeadLetterRecord): Record<string, unknown> {
  const { id, received_us, topic, content_type, code, reason, payload, readings } = letter;
  const { attempts, requested_ms, replayed_ms, outcome, outcomes } = letter;
  return {
    id,
    received_at: received_us / 1_000,
    ...{ topic, code, reason, readings, attempts },
    ...(content_type === null ? {} : { content_type }),
    ...(requested_ms === null ? {} : { replay_requested_at: requested_ms }),
    ...(replayed_ms === null ? {} : { replayed_at: replayed_ms }),
    ...(outcome === null ? {} : { outcome }),
    ...(outcomes === null ? {} : { outcomes }),
    bytes: payload.toString('base64'),
  };
}

function readTime(reader: ParameterReader, name: string, nowUs: number): number | undefined {
  const text = reader.one(name);
  if (text === undefined) return undefined;
  const us = parseTimeUs(text, nowUs);
  if (us !== undefined) return us;
  throw invalidParameter(name, 'has to be RFC 3339, Unix seconds, or now-6h');
}

/** Text that a column can hold: anything else is in none. */
function readText(reader: ParameterReader, name: string): string | undefined {
  const text = reader.one(name);
  if (text === undefined || (text.length <= TEXT_CHARS_MAX && !/[\0\p{Cs}]/u.test(text)))
    return text;
  throw invalidParameter(name, 'is no text that a letter can have');
}

/** What is given as `page` after this letter. Pages go by time and id, so that what arrives meanwhile moves nothing. */
export function deadLetterPage({ received_us: timeUs, id }: DeadLetterRecord): string {
  return Buffer.from(JSON.stringify([timeUs, id])).toString('base64url');
}

/** Where a page begins; undefined for what no answer gave. */
export function readDeadLetterPage(text: string): DeadLetterFilter['before'] {
  try {
    const fields: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(fields) && fields.length === 2) {
      const [timeUs, id] = fields as unknown[];
      if (Number.isSafeInteger(timeUs) && Number.isSafeInteger(id)) {
        return { timeUs: timeUs as number, id: id as number };
      }
    }
  } catch {
    // No JSON: none of ours.
  }
  return undefined;
}

function decodePage(text: string): DeadLetterFilter['before'] {
  const before = readDeadLetterPage(text);
  if (before !== undefined) return before;
  throw invalidParameter('page', 'is not what an answer gave as next');
}

function readFilter(reader: ParameterReader, nowUs: number): DeadLetterFilter {
  const [startUs, endUs] = [readTime(reader, 'start', nowUs), readTime(reader, 'end', nowUs)];
  if (startUs !== undefined && endUs !== undefined && startUs >= endUs) {
    throw invalidParameter('end', 'has to be after start');
  }
  const replayed = oneOf(reader, 'replayed', ['true', 'false']);
  const page = reader.one('page');
  return {
    ...{ startUs, endUs },
    code: readText(reader, 'code'),
    topic: readText(reader, 'topic'),
    replayed: replayed === undefined ? undefined : replayed === 'true',
    before: page === undefined ? undefined : decodePage(page),
  };
}

/**
 * Whether a caller's obligations can be held on bytes that nobody could read: labels that are hidden, steps that are too
 * fine and times that lie too far back may all stand in them. A delay can, by the time of receipt.
 */
function mayReadBytes({ obligations }: Grant): boolean {
  const { redact = [], finest_step_ms: finest, lookback_ms: lookback } = obligations;
  return redact.length === 0 && finest === undefined && lookback === undefined;
}

/** Selectors that an asset alone decides. Any other asks for what nobody knows of a letter: its channels and labels. */
function assetSelectors({ selectors }: Grant): Selector[] {
  return selectors.filter((selector) => selector.every(({ label }) => label === 'asset'));
}

/** The assets that a grant's selectors name one by one; undefined where only those that there are can tell. */
function namedAssets(selectors: readonly Selector[]): string[] | undefined {
  const named: string[] = [];
  for (const selector of selectors) {
    const [only, ...others] = selector;
    if (only === undefined || only.op !== '=' || others.length > 0) return undefined;
    named.push(only.value);
  }
  return named;
}

/** The letters that a caller may see, as a filter. */
function createScope({ authority, clock, deadLetters }: Required<DeadLetterRoutesOptions>) {
  /** Letters that are no tenant's are for those who may administer, and see the whole of their own. */
  function isAdmin(claims: Claims, request: RequestFacts): boolean {
    const question = { action: 'admin', claims, request, nowMs: clock() } as const;
    const { allow, selectors } = authority.policy.decide({ ...question, hypothetical: true });
    return allow && selectors.some((selector) => selector.length === 0);
  }

  return async (
    grant: Grant,
    claims: Claims,
    facts: RequestFacts,
  ): Promise<DeadLetterFilter | undefined> => {
    if (!mayReadBytes(grant)) return undefined;
    const { endUs: untilUs } = permittedSpan(grant, clock() * 1_000);
    const until = Number.isFinite(untilUs) ? { endUs: untilUs } : {};
    const selectors = assetSelectors(grant);
    const name = grant.tenant;
    if (selectors.some((selector) => selector.length === 0)) {
      return { ...until, tenant: { name, andNone: isAdmin(claims, facts) } };
    }
    if (selectors.length === 0) return undefined;
    const tenant = { name, andNone: false };
    const named = namedAssets(selectors);
    if (named !== undefined) return { ...until, tenant, assets: named };
    const known = await deadLetters?.assets(name);
    const matchers = selectors.map(compileSelector);
    const assets = (known ?? []).filter((asset) =>
      matchers.some((matches) => matches({ asset, channel: '', labels: {} })),
    );
    return { ...until, tenant, assets };
  };
}

/** Undefined for what is no number: there is no such letter. */
function readId(path: string): number | undefined {
  const text = pathValues(REPLAY_PATH, path)?.id ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Both filters in one. */
function narrowed(asked: DeadLetterFilter, scope: DeadLetterFilter): DeadLetterFilter {
  const ends = [asked.endUs, scope.endUs].filter((us) => us !== undefined);
  return { ...asked, ...scope, ...(ends.length === 0 ? {} : { endUs: Math.min(...ends) }) };
}

/** Makes both routes; none where there are no letters to show. */
export function deadLetterRoutes(options: DeadLetterRoutesOptions): DecidedRoute[] {
  const { deadLetters, authority, clock } = options;
  if (deadLetters === undefined) return [];
  const scopeOf = createScope({ deadLetters, authority, clock });
  const common = { grant: { action: 'dead-letters' }, types: ['application/json'] } as const;
  return [
    {
      ...common,
      method: 'GET',
      path: LIST_PATH,
      summary:
        'Lists what could not be stored of the caller’s tenant, with its bytes, the newest first.',
      parameters: PARAMETERS,
      prepare(request) {
        const reader = parameterReader(request.query, PARAMETERS);
        const filter = readFilter(reader, clock() * 1_000);
        const limit = wholeNumber(reader, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT;
        const { startUs, endUs } = filter;
        const facts = {
          ...factsOf(request),
          ...(startUs === undefined ? {} : { start: startUs / 1_000 }),
          ...(endUs === undefined ? {} : { end: endUs / 1_000 }),
        };
        return {
          facts,
          async handle({ claims, grant }) {
            const scope = await scopeOf(grant, claims, facts);
            if (scope === undefined) return reply(JSON.stringify({ dead_letters: [] }));
            const { letters, hasMore } = await deadLetters.list(narrowed(filter, scope), limit);
            const last = letters.at(-1);
            const next = hasMore && last !== undefined ? deadLetterPage(last) : undefined;
            return reply(JSON.stringify({ dead_letters: letters.map(deadLetterView), next }));
          },
        };
      },
    },
    {
      ...common,
      method: 'POST',
      path: REPLAY_PATH,
      summary:
        'Has a dead letter received again; `replayed_at` and `outcome` say in the list what became of it.',
      parameters: [],
      pathParameters: PATH_PARAMETERS,
      status: 202,
      prepare(request) {
        const facts = factsOf(request);
        const id = readId(request.path);
        return {
          facts,
          async handle({ claims, grant }) {
            const scope = await scopeOf(grant, claims, facts);
            const asked = scope === undefined || id === undefined ? [] : [id];
            const letter = await deadLetters.requestReplay({ ...scope, ids: asked });
            if (letter === undefined) {
              throw new TailraceError('not_found', 'There is no such dead letter.');
            }
            return reply(JSON.stringify(deadLetterView(letter)), { status: 202 });
          },
        };
      },
    },
  ];
}
