// GET /v1/decisions: what the policy said, and to whom; of the caller's own tenant.
import type { Clock } from '../../lib/clock.ts';
import { indexedText } from '../../policies/decide/mask.ts';
import { ACTIONS, type Claims, type Grant } from '../../policies/grant.ts';
import type { DecisionFilter, DecisionReader, DecisionRow } from '../../store/decisions.ts';
import { reply } from '../http/reply.ts';
import type { DecidedRoute, Parameter } from '../http/routes.ts';
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

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 1_000;
/** What was decided a moment ago is in the answer, as long as the database takes it within so many ms. */
const FLUSH_MAX_MS = 2_000;
/** What is looked for by `action`: the policy's actions, and gaps, where decisions could not be recorded. */
const RECORDED_ACTIONS = [...ACTIONS, 'gap'] as const;

const PARAMETERS: readonly Parameter[] = [
  {
    name: 'start',
    description: 'Only decisions from then on: RFC 3339, Unix seconds, or `now-6h`.',
    schema: { type: 'string' },
    example: 'now-1d',
  },
  {
    name: 'end',
    description: 'Only decisions before then.',
    schema: { type: 'string' },
  },
  {
    name: 'subject',
    description: 'Only decisions about this subject.',
    schema: { type: 'string' },
  },
  {
    name: 'action',
    description: 'Only decisions about this action; `gap` finds where decisions were lost.',
    schema: { type: 'string', enum: RECORDED_ACTIONS },
  },
  {
    name: 'allowed',
    description: 'Only what was allowed, or only what was denied.',
    schema: { type: 'string', enum: ['true', 'false'] },
  },
  {
    name: 'id',
    description: 'The decision that an answer named in `Tailrace-Decision`.',
    schema: { type: 'string' },
  },
  ...pagingParameters('decisions of an answer', LIMIT_MAX, LIMIT_DEFAULT),
];

function readTime(reader: ParameterReader, name: string, nowUs: number): number | undefined {
  const text = reader.one(name);
  if (text === undefined) return undefined;
  const us = parseTimeUs(text, nowUs);
  if (us !== undefined) return us;
  throw invalidParameter(name, 'has to be RFC 3339, Unix seconds, or now-6h');
}

/** Pages go by time and id, so that what is decided between two of them moves nothing. */
function encodePage({ time_us: timeUs, id }: DecisionRow): string {
  return Buffer.from(JSON.stringify([timeUs, id])).toString('base64url');
}

function decodePage(text: string): DecisionFilter['before'] {
  try {
    const fields: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (Array.isArray(fields) && fields.length === 2) {
      const [timeUs, id] = fields as unknown[];
      if (typeof timeUs === 'number' && Number.isSafeInteger(timeUs) && typeof id === 'string') {
        return { timeUs, id: indexedText(id) };
      }
    }
  } catch {
    // No JSON: said below.
  }
  throw invalidParameter('page', 'is not what an answer gave as next');
}

function readFilter(reader: ParameterReader, nowUs: number): DecisionFilter {
  const [startUs, endUs] = [readTime(reader, 'start', nowUs), readTime(reader, 'end', nowUs)];
  if (startUs !== undefined && endUs !== undefined && startUs >= endUs) {
    throw invalidParameter('end', 'has to be after start');
  }
  const text = (name: string) => {
    const given = reader.one(name);
    return given === undefined ? undefined : indexedText(given);
  };
  const allowed = oneOf(reader, 'allowed', ['true', 'false']);
  const page = reader.one('page');
  return {
    ...{ startUs, endUs, subject: text('subject'), id: text('id') },
    action: oneOf(reader, 'action', RECORDED_ACTIONS),
    allowed: allowed === undefined ? undefined : allowed === 'true',
    before: page === undefined ? undefined : decodePage(page),
    limit: wholeNumber(reader, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT,
  };
}

/**
 * Whether the policy shows the caller all of its tenant. To anyone else, records about others would name assets and
 * labels that are hidden from it: so it sees those about itself only.
 */
function seesAll({ selectors, obligations }: Grant): boolean {
  const { redact = [] } = obligations;
  return redact.length === 0 && selectors.some((selector) => selector.length === 0);
}

/**
 * The filter as far as the caller may ask; undefined where nothing is left. Gaps of tenants that could not be counted
 * apart (there were a thousand already) stand in the table with no tenant. They are nobody's here: they would tell how
 * much is going on at others. Who runs the server finds them there, and in `tailrace_policy_decisions_lost_total`.
 */
function within(filter: DecisionFilter, grant: Grant, claims: Claims): DecisionFilter | undefined {
  const own = { ...filter, tenant: indexedText(grant.tenant), limit: filter.limit + 1 };
  if (seesAll(grant)) return own;
  const subject = indexedText(claims.sub);
  if (own.subject !== undefined && own.subject !== subject) return undefined;
  return { ...own, subject };
}

/** What was asked and answered without the labels that are redacted for the caller, also in selectors. */
function redacted(row: DecisionRow, { obligations }: Grant): Pick<DecisionRow, 'input' | 'result'> {
  const { redact = [] } = obligations;
  const { input, result } = row;
  if (redact.length === 0) return { input, result };
  const { labels, ...asked } = input as { readonly labels?: Readonly<Record<string, unknown>> };
  const shown = Object.entries(labels ?? {}).filter(([label]) => !redact.includes(label));
  return {
    input: labels === undefined ? asked : { ...asked, labels: Object.fromEntries(shown) },
    result: { ...result, series: [] },
  };
}

function view(row: DecisionRow, grant: Grant) {
  const { id, time_us: timeUs, tenant, subject, action, allowed, revision } = row;
  const { input, result: told } = redacted(row, grant);
  // What was wrong with a policy is for whoever runs the server: its log says it, and the table.
  const { fault: _fault, ...result } = told as Record<string, unknown>;
  const { reason } = result;
  const time = timeUs / 1_000;
  const common = { id, time, tenant, subject, action, allowed, reason, revision };
  return { ...common, input, result, duration_us: row.duration_us };
}

export interface DecisionsRouteOptions {
  readonly decisions: DecisionReader;
  readonly clock: Clock;
}

/** Makes the route. */
export function decisionsRoute({ decisions, clock }: DecisionsRouteOptions): DecidedRoute {
  return {
    method: 'GET',
    path: '/v1/decisions',
    grant: { action: 'decisions' },
    summary: 'Lists what the policy decided for the caller’s tenant, the newest first.',
    parameters: PARAMETERS,
    types: ['application/json'],
    prepare(request) {
      const filter = readFilter(parameterReader(request.query, PARAMETERS), clock() * 1_000);
      const { startUs, endUs } = filter;
      return {
        facts: {
          ...factsOf(request),
          ...(startUs === undefined ? {} : { start: startUs / 1_000 }),
          ...(endUs === undefined ? {} : { end: endUs / 1_000 }),
        },
        async handle({ claims, grant }) {
          const asked = within(filter, grant, claims);
          if (asked !== undefined) await decisions.flush(FLUSH_MAX_MS);
          const rows = asked === undefined ? [] : await decisions.list(asked);
          const shown = rows.slice(0, filter.limit);
          const last = shown.at(-1);
          const next = rows.length > shown.length && last ? encodePage(last) : undefined;
          return reply(JSON.stringify({ decisions: shown.map((row) => view(row, grant)), next }));
        },
      };
    },
  };
}
