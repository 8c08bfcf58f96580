// What clients of InfluxDB 1 and 2 expect where they write: their parameters, credentials, answers and errors. A bucket
// or a database is an asset, or `asset/channel`.
import { TailraceError } from '../lib/errors.ts';
import { foreignAuthorization } from '../query/http/credentials.ts';
import { emptyReply, type Reply, reply } from '../query/http/reply.ts';
import type { Request } from '../query/http/request.ts';
import type { DecidedRoute, Parameter, PublicRoute } from '../query/http/routes.ts';
import { invalidParameter, parameterReader } from '../query/parameters.ts';
import { factsOf } from '../query/routes/facts.ts';
import { checkTarget, missing, type WriteDialect, type WriteTarget } from './write-target.ts';

/** These clients say text/plain, or what curl says of a form. */
const LINE_PROTOCOL = 'application/vnd.influx.line-protocol';

/** Names of units in both versions. Minutes and hours, which version 1 knows, are no units that a time tells by its size. */
const PRECISIONS = ['ns', 'n', 'us', 'u', 'µ', 'ms', 's'] as const;

const PLACE =
  'An asset, or `asset/channel`; without a channel, measurement and field are the channel.';

const PRECISION: Parameter = {
  name: 'precision',
  description:
    'Unit of the times. Only checked: a time of the years 1971 to 2128 tells its unit by its size.',
  schema: { type: 'string', enum: PRECISIONS },
};

function ignored(name: string): Parameter {
  return { name, description: 'Taken and ignored.', schema: { type: 'string' } };
}

const BUCKET: Parameter = {
  name: 'bucket',
  description: PLACE,
  schema: { type: 'string' },
  required: true,
  example: 'rig-7',
};
const DATABASE: Parameter = { ...BUCKET, name: 'db' };
const CREDENTIALS: readonly Parameter[] = [
  { ...ignored('u'), description: 'Any user name.' },
  { name: 'p', description: 'A token, where no header has it.', schema: { type: 'string' } },
];

function readPlace(request: Request, parameters: readonly Parameter[]): WriteTarget {
  const reader = parameterReader(request.query, parameters);
  const name = parameters[0]?.name ?? '';
  const place = reader.one(name);
  if (place === undefined) throw missing(name);
  const precision = reader.one('precision');
  if (precision !== undefined && !PRECISIONS.some((one) => one === precision)) {
    throw invalidParameter('precision', `has to be one of ${PRECISIONS.join(', ')}`);
  }
  const slash = place.indexOf('/');
  if (slash < 0) return checkTarget(name, { asset: place, channel: '' });
  const channel = place.slice(slash + 1);
  return checkTarget(name, { asset: place.slice(0, slash), channel });
}

/** An error with what clients of either version look for beside what every error here says. */
function inInfluxWords(problem: Reply, status = problem.status): Reply {
  const said = JSON.parse(String(problem.body)) as { detail: string };
  const body = JSON.stringify({ ...said, message: said.detail, error: said.detail });
  return {
    ...problem,
    status,
    headers: { ...problem.headers, 'Content-Type': 'application/json' },
    body,
  };
}

/** Telegraf's output for version 1 drops what is answered with any 4xx, 429 too; with 503 it comes again. */
function inVersion1Words(problem: Reply): Reply {
  return inInfluxWords(problem, problem.status === 429 ? 503 : problem.status);
}

const COMMON = {
  status: 204,
  types: [],
  contentType: LINE_PROTOCOL,
  takesNothing: true,
  authorization: foreignAuthorization,
  answer: () => emptyReply(204),
} as const;

const V2_PARAMETERS = [BUCKET, ignored('org'), PRECISION, ...CREDENTIALS];
const V1_PARAMETERS = [
  ...[DATABASE, ignored('rp'), PRECISION, ignored('consistency'), ...CREDENTIALS],
];

/** The paths that are written to. */
export const INFLUX_DIALECTS: readonly WriteDialect[] = [
  {
    ...COMMON,
    path: '/api/v2/write',
    summary:
      'Takes line protocol from clients of InfluxDB 2: otherwise as `/v1/write`. `Authorization: Token` or `Basic` will do.',
    parameters: V2_PARAMETERS,
    refusal: (problem) => inInfluxWords(problem),
    readTarget: (request) => readPlace(request, V2_PARAMETERS),
  },
  {
    ...COMMON,
    path: '/write',
    summary:
      'Takes line protocol from clients of InfluxDB 1: otherwise as `/api/v2/write`. Too many requests are answered with 503.',
    parameters: V1_PARAMETERS,
    refusal: inVersion1Words,
    readTarget: (request) => readPlace(request, V1_PARAMETERS),
  },
];

/** Says what a client of InfluxDB wants to hear before it writes. */
const PING: PublicRoute = {
  method: 'GET',
  path: '/ping',
  grant: 'public',
  summary: 'Tells clients of InfluxDB that somebody is here.',
  parameters: [],
  types: [],
  status: 204,
  handle: () => emptyReply(204, { 'X-Influxdb-Version': 'tailrace' }),
};

const QUERY_PARAMETERS: readonly Parameter[] = [
  {
    name: 'q',
    description: '`CREATE DATABASE`, also in the body of a form.',
    schema: { type: 'string' },
    example: 'CREATE DATABASE "rig-7"',
  },
  ...[ignored('db'), ...CREDENTIALS],
];

/** Assets come into being when something is written to them; there is nothing to be done for these. */
const CREATION = /^\s*create\s+(?:database|retention\s+policy)\s[^;]*;?\s*$/i;

/** Telegraf's output for version 1 creates its database when it starts. */
const QUERY: DecidedRoute = {
  method: 'POST',
  path: '/query',
  grant: { action: 'write' },
  summary: 'Answers clients of InfluxDB 1 that create their database. Nothing is queried here.',
  parameters: QUERY_PARAMETERS,
  types: ['application/json'],
  authorization: foreignAuthorization,
  refusal: inVersion1Words,
  prepare(request) {
    const form = new URLSearchParams(Buffer.from(request.body ?? []).toString('utf8'));
    const statement = parameterReader(request.query, QUERY_PARAMETERS).one('q') ?? form.get('q');
    if (statement === null) throw missing('q');
    if (!CREATION.test(statement)) {
      throw new TailraceError(
        'bad_parameter',
        'q: ask /v1/range; only CREATE DATABASE is taken here',
        {
          details: { parameter: 'q' },
        },
      );
    }
    return {
      facts: factsOf(request),
      handle: () => reply('{"results":[{"statement_id":0}]}'),
    };
  },
};

/** The paths that are asked before. */
export const INFLUX_ROUTES = [PING, QUERY] as const;
