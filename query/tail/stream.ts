// GET /v1/tail as Server-Sent Events: one subscription, the same frames, and the browser's own way to resume.

import { TailraceError } from '../../lib/errors.ts';
import { CHOICE_PARAMETERS, readChoice, requireChoice } from '../choice.ts';
import { chooseType } from '../http/negotiate.ts';
import type { ByteStream } from '../http/reply.ts';
import type { Request } from '../http/request.ts';
import type { DecidedRoute, Parameter } from '../http/routes.ts';
import type { Release } from '../limits/counts.ts';
import type { Admission } from '../limits/limits.ts';
import { invalidParameter, type ParameterReader, parameterReader } from '../parameters.ts';
import { RANGE_PARAMETERS } from '../range/parameters.ts';
import { factsOf } from '../routes/facts.ts';
import type { Transport } from './connection.ts';
import { HZ_MAX, type ServerFrame, type SubscribeFrame } from './frames.ts';
import type { Opening } from './right.ts';
import type { Session } from './session.ts';
import { admitSnapshot, snapshotQuery } from './snapshot.ts';
import type { TailServices } from './tails.ts';
import { frameText } from './wire.ts';

const EVENT_STREAM = 'text/event-stream';
/** Proxies and load balancers close what is silent for a minute or less. */
const COMMENT_EVERY_MS = 15_000;
const RETRY_MS = 2_000;
/** The one subscription of a stream. */
const ID = 'sse';

const SNAPSHOT_PARAMETERS = RANGE_PARAMETERS.filter(
  ({ name }) => !['series', 'match', 'page', 'format'].includes(name),
).map((parameter) => ({ ...parameter, required: false }));

const PARAMETERS: readonly Parameter[] = [
  ...CHOICE_PARAMETERS,
  {
    name: 'since',
    description: 'The cursor of an answer or a frame: what came after it is sent first.',
    schema: { type: 'string' },
  },
  {
    name: 'max_hz',
    description: 'Most frames a second; each then has the newest point of a series only.',
    schema: { type: 'number', exclusiveMinimum: 0, maximum: HZ_MAX },
  },
  ...SNAPSHOT_PARAMETERS,
  {
    name: 'ticket',
    description: 'Stands for a token, from `POST /v1/tickets`.',
    schema: { type: 'string' },
  },
];

function readMaxHz(reader: ParameterReader): number | undefined {
  const text = reader.one('max_hz');
  if (text === undefined) return undefined;
  const hz = /^\d{1,4}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  if (hz > 0 && hz <= HZ_MAX) return hz;
  throw invalidParameter('max_hz', `has to be a number above 0 and up to ${HZ_MAX}`);
}

/** Range parameters of the snapshot; there is one where `start` is given. */
function readSnapshot(reader: ParameterReader): URLSearchParams | undefined {
  if (reader.one('start') === undefined) return undefined;
  const pairs = SNAPSHOT_PARAMETERS.flatMap(({ name }) =>
    reader.many(name).map((value): [string, string] => [name, value]),
  );
  return new URLSearchParams(pairs);
}

function readFrame(request: Request): SubscribeFrame {
  const reader = parameterReader(request.query, PARAMETERS);
  return {
    type: 'subscribe',
    id: ID,
    choice: readChoice(reader),
    // A browser that reconnects sends the last id that it saw with the same URL.
    since: request.headers.get('last-event-id') ?? reader.one('since'),
    snapshot: readSnapshot(reader),
    maxHz: readMaxHz(reader),
  };
}

function eventText(frame: ServerFrame, cursor: string | undefined): string {
  const id = cursor === undefined ? '' : `id: ${cursor}\n`;
  return `event: ${frame.type}\n${id}data: ${frameText(frame)}\n\n`;
}

function streamTransport(
  stream: ByteStream,
  origin: string | undefined,
  charge: Admission['charge'],
): Transport {
  function send(frame: ServerFrame, cursor?: string): void {
    const text = eventText(frame, cursor);
    charge(Buffer.byteLength(text));
    stream.write(text);
  }

  return {
    protocol: 'sse',
    ...{ origin, send, charge },
    unsentBytes: () => (stream.flowing() ? 0 : Number.POSITIVE_INFINITY),
    takes: () => stream.takes(),
    close(code, detail, more) {
      send({ type: 'bye', code, detail, ...more });
      stream.end();
    },
  };
}

function checkAccept(request: Request): void {
  // A browser's WebSocket never comes here: the engine hands it over before.
  if (
    chooseType(request.headers.get('accept'), ['application/json', EVENT_STREAM]) === EVENT_STREAM
  ) {
    return;
  }
  throw new TailraceError(
    'upgrade_required',
    'A tail is a WebSocket, or an event stream by Accept: text/event-stream.',
  );
}

/** Makes the route; `open` opens a session that is counted and stopped with the others. */
export function streamRoute(
  services: TailServices,
  open: (transport: Transport, opening: Opening, leave: Release) => Session,
): DecidedRoute {
  return {
    method: 'GET',
    path: '/v1/tail',
    grant: { action: 'tail' },
    ticket: true,
    summary:
      'Follows series live: as a WebSocket (subprotocols `tailrace.json` and `tailrace.msgpack`), or as an event stream. ' +
      'What a caller may see is decided again while a tail is open: a frame `series` says which were `added` and ' +
      '`removed`, `subscribed` comes again where obligations changed, and `bye` says why it ends. 30 s before a token is ' +
      'over a frame `warning` says so (`token_expiring`, `expires_at`): a WebSocket then sends ' +
      '`{"type":"reauth","token":…}` and is answered `reauthed`; an event stream is opened anew, from its last event.',
    parameters: PARAMETERS,
    types: [EVENT_STREAM],
    prepare(request) {
      checkAccept(request);
      const frame = readFrame(request);
      const { clock, catalogue, log } = services;
      // Refusals come before the stream opens: those of the snapshot's parameters and of unknown series as well.
      if (frame.snapshot !== undefined) snapshotQuery(frame, clock());
      const facts = factsOf(request, 'sse');
      return {
        facts,
        handle({ claims, grant }) {
          const { rechecks, limits } = services;
          const opening = { claims, grant, rules: rechecks.rules };
          requireChoice(frame.choice, grant, catalogue);
          if (frame.snapshot !== undefined) {
            admitSnapshot(frame, claims, facts, services);
          }
          const { charge, release } = limits.admitTail(claims);
          return {
            kind: 'stream',
            abandon: release,
            headers: { 'Content-Type': EVENT_STREAM, 'Cache-Control': 'no-store' },
            open(stream) {
              stream.write(`retry: ${RETRY_MS}\n\n`);
              const session = open(streamTransport(stream, facts.origin, charge), opening, release);
              const comments = setInterval(() => stream.write(': alive\n\n'), COMMENT_EVERY_MS);
              stream.onDrain(() => session.drained());
              stream.onClosed(() => {
                clearInterval(comments);
                session.closed();
              });
              // Its snapshot has the request's place in flight, which is given back after this.
              session.subscribe(frame).catch((thrown: unknown) => {
                log.warn({ err: thrown }, 'a stream could not be set up');
                session.refuse(thrown);
              });
            },
          };
        },
      };
    },
  };
}
