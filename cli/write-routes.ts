// POST /v1/write, and the paths by which Influx's clients and Telegraf write: each takes a payload to the door for
// writes (ingest/write/), and says in its client's own words what became of it.
import type { Fault } from '../ingest/fault.ts';
import type { WriteDoor, WrittenSeries } from '../ingest/write/door.ts';
import { TailraceError } from '../lib/errors.ts';
import { seriesFilter } from '../policies/grant.ts';
import { problem } from '../query/http/problem.ts';
import { type Reply, reply } from '../query/http/reply.ts';
import type { Request } from '../query/http/request.ts';
import type { BytesBody, DecidedRoute, Parameter, Route } from '../query/http/routes.ts';
import { parameterReader } from '../query/parameters.ts';
import { factsOf } from '../query/routes/facts.ts';
import { INFLUX_DIALECTS, INFLUX_ROUTES } from './influx-routes.ts';
import { checkTarget, missing, type WriteDialect } from './write-target.ts';

const BODY: BytesBody = {
  description:
    'Any payload that a device may publish: JSON, MessagePack, CBOR, Influx line protocol or CSV, chosen by ' +
    '`Content-Type` or else by looking; gzip or zstd around it, which `Content-Encoding` may say.',
  examples: {
    'application/json': '{"ts":"2026-06-01T12:00:00Z","value":17.5}',
    'text/plain': 'weather,station=7 temperature=17.5 1780315200000000000',
    'text/csv': 'time,inlet,outlet\n2026-06-01T12:00:00Z,17.5,3',
  },
};

const PARAMETERS: readonly Parameter[] = [
  {
    name: 'asset',
    description: 'Where the readings belong.',
    schema: { type: 'string' },
    required: true,
    example: 'rig-7',
  },
  {
    name: 'channel',
    description:
      'The channel, which may have slashes. A payload of several values appends `/` and their keys; without a channel ' +
      'the keys alone are the channels.',
    schema: { type: 'string' },
    example: 'pumps/2/flow',
  },
];

const V1: WriteDialect = {
  path: '/v1/write',
  summary:
    'Takes readings in any payload format: 202 when they are committed, or with the broker at `MQTT_URL`. All series of ' +
    'the payload have to be allowed, or nothing is written. What is wrong among good readings becomes dead letters, ' +
    'and is counted in the answer.',
  parameters: PARAMETERS,
  status: 202,
  types: ['application/json'],
  readTarget({ query }) {
    const reader = parameterReader(query, PARAMETERS);
    const asset = reader.one('asset');
    if (asset === undefined) throw missing('asset');
    checkTarget('asset', { asset, channel: '' });
    return checkTarget('channel', { asset, channel: reader.one('channel') ?? '' });
  },
  answer({ accepted, ignored, faults }) {
    return reply(JSON.stringify({ accepted, ignored, faults }), { status: 202 });
  },
};

/** First bytes of the encodings that are known. */
const MAGIC: Readonly<Record<string, readonly number[]>> = {
  gzip: [0x1f, 0x8b],
  'x-gzip': [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};

/**
 * Decoders find out themselves how a payload is compressed; what a client says of it has to be so.
 * @throws TailraceError `unsupported_encoding`, `bad_request`.
 */
function checkEncoding({ headers, body = new Uint8Array() }: Request): void {
  const encoding = headers.get('content-encoding')?.trim().toLowerCase() ?? '';
  if (encoding === '' || encoding === 'identity') return;
  const magic = Object.hasOwn(MAGIC, encoding) ? MAGIC[encoding] : undefined;
  if (magic === undefined) {
    throw new TailraceError('unsupported_encoding', 'Content-Encoding: gzip, zstd, or none.');
  }
  if (magic.every((byte, i) => body[i] === byte)) return;
  throw new TailraceError('bad_request', `The body is not ${encoding}, as its header says.`);
}

function unreadable({ code, reason }: Fault): Reply {
  // What inflates to more than a body may have is a body that is too large.
  const status = code === 'payload_too_large' ? 413 : 400;
  return problem(status, code, 'The payload cannot be read', reason);
}

/** Says which series it was: the caller's own payload named it, whether there is one or not. */
function refused({ asset, channel, labels }: WrittenSeries): TailraceError {
  const names = Object.entries(labels).map(([name, value]) => `, ${name}=${value}`);
  return new TailraceError(
    'forbidden',
    `Nothing was written: the policy does not allow ${asset}/${channel}${names.join('')}.`,
    { details: { asset, channel, labels } },
  );
}

const NOTHING = { kind: 'written', accepted: 0, ignored: 0, faults: [] } as const;

/** Makes the route of a dialect. */
function writeRoute(door: WriteDoor, dialect: WriteDialect): DecidedRoute {
  const { path, summary, parameters, status, types, refusal, authorization } = dialect;
  const inOwnWords = refusal ?? ((one: Reply) => one);
  return {
    ...{ method: 'POST', path, summary, parameters, status, types, body: BODY },
    grant: { action: 'write' },
    ...(refusal === undefined ? {} : { refusal }),
    ...(authorization === undefined ? {} : { authorization }),
    prepare(request) {
      const target = dialect.readTarget(request);
      checkEncoding(request);
      const { asset, channel } = target;
      const contentType = dialect.contentType ?? request.headers.get('content-type');
      const payload = request.body ?? new Uint8Array();
      return {
        facts: factsOf(request),
        target: channel === '' ? { asset } : target,
        async handle({ claims: { tenant }, grant }) {
          if (payload.length === 0 && dialect.takesNothing) return dialect.answer(NOTHING);
          const order = { tenant, asset, channel, payload, contentType };
          const outcome = await door.write(order, seriesFilter(grant));
          if (outcome.kind === 'refused') throw refused(outcome.series);
          if (outcome.kind === 'unreadable') return inOwnWords(unreadable(outcome.fault));
          return dialect.answer(outcome);
        },
      };
    },
  };
}

/** Makes all routes by which readings are written over HTTP. */
export function writeRoutes(door: WriteDoor): Route[] {
  const dialects = [V1, ...INFLUX_DIALECTS];
  return [...dialects.map((dialect) => writeRoute(door, dialect)), ...INFLUX_ROUTES];
}
