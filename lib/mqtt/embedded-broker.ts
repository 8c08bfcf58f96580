// The broker that is there when no other is given: aedes in this process, for MQTT 3.1.1, at QoS 0, 1 and 2. What a
// device publishes goes to the handler first; the broker goes on with a message (acknowledges it, forwards it) when the
// handler has acknowledged it, so here too an acknowledged reading is a committed one.
import type { EventEmitter } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Server, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import {
  Aedes,
  type AedesOptions,
  type AuthenticateError,
  type Client,
  type PublishPacket,
} from 'aedes';
import type { Clock } from '../clock.ts';
import { messageOf, TailraceError } from '../errors.ts';
import type { Part } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import {
  type BrokerConnection,
  type BrokerSessions,
  createBrokerSessions,
  type Publisher,
  streamOf,
} from './broker-sessions.ts';
import { forwardNoDeepTopics, standInForDeepTopics, topicOf } from './deep-topics.ts';
import { createDeviceStream, type DeviceStream } from './device-stream.ts';
import { createExactlyOnce, type ExactlyOnce, isRepetition } from './exactly-once.ts';
import type { MessageHandler } from './message.ts';
import { createOwnPublishing, type PublishOwn } from './own-publishing.ts';
import { createPace, type Pace, type SharedPace, sharePace } from './pace.ts';
import { createReceiptClock } from './receipt-clock.ts';
import { createSessionStore, type KeptLimits, type SessionStore } from './session-store.ts';

/** Why a client may not connect. */
export interface Refusal {
  readonly refused: string;
  /** Nothing is wrong with the client: it may come again. */
  readonly unavailable?: boolean;
}

export interface Credentials {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Whether the client is on this machine. */
  readonly loopback: boolean;
}

export interface EmbeddedBrokerOptions<P extends Publisher> {
  readonly host: string;
  /** 0 for one that the system chooses. */
  readonly port: number;
  readonly handler: MessageHandler;
  authenticate(credentials: Credentials): Promise<P | Refusal>;
  /** Whether this client may publish to this topic. A refusal closes its connection without a PUBACK. */
  authorizePublish(publisher: P, topic: string): boolean;
  /** Whether this client may subscribe to this filter. A refused filter is answered with 128. */
  authorizeSubscribe(publisher: P, filter: string): boolean;
  /** Whether a message of this topic may be forwarded to this client, which is subscribed to a filter that covers it. */
  authorizeForward(publisher: P, topic: string): boolean;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly clientsMax?: number;
  readonly packetBytesMax?: number;
  readonly messagesInFlightMax?: number;
  readonly bytesInFlightMax?: number;
  readonly drainMaxMs?: number;
  /** Bounds of what is kept for absent subscribers. */
  readonly kept?: KeptLimits;
}

export interface EmbeddedBroker<P extends Publisher> extends Part {
  readonly port: number;
  readonly url: string;
  /** Publishes from within the process, to the handler and then to whoever is subscribed. */
  readonly publish: PublishOwn;
  /** Those that are connected now. */
  connections(): readonly BrokerConnection<P>[];
}

/** What a packet costs beside its payload and topic: objects of the broker's, which it keeps until the answer. */
const PACKET_BYTES = 1_500;
const BYTES_MAX = 64 * 1024 * 1024;
/** Of what may be in flight over all, what one tenant may have. */
const TENANT_SHARE = 1 / 4;
const PACKET_BYTES_MAX = 16 * 1024 * 1024;
const CLIENTS_MAX = 10_000;
/** Topics that hold a retained message; further ones are forwarded without being retained. */
const RETAINED_TOPICS_MAX = 100_000;
const FLUSH_MAX_MS = 1_000;
/** CONNACK codes of MQTT 3.1.1 clause 3.2.2.3. */
const SERVER_UNAVAILABLE = 3;
const BAD_CREDENTIALS = 4;

function isLoopback(socket: Socket): boolean {
  const address = socket.remoteAddress ?? '';
  return address === '::1' || /^(::ffff:)?127\./.test(address);
}

function authenticateError({ refused, unavailable = false }: Refusal): AuthenticateError {
  const returnCode = unavailable ? SERVER_UNAVAILABLE : BAD_CREDENTIALS;
  return Object.assign(new Error(refused), { returnCode: returnCode as never });
}

/** What the hooks of one broker share. */
interface BrokerState<P extends Publisher> {
  readonly options: EmbeddedBrokerOptions<P>;
  readonly pace: Pace;
  /** By tenant; by client where nobody knows the tenant. */
  readonly shares: SharedPace;
  readonly nowUs: () => number;
  readonly sessions: BrokerSessions<P>;
  readonly store: SessionStore;
  readonly exactlyOnce: ExactlyOnce;
  readonly streams: Set<DeviceStream>;
  readonly retained: Set<string>;
  readonly refusals: (reason: string) => void;
}

/** Takes a publish to the handler, and lets the broker go on with it when it is acknowledged. */
function takePublish<P extends Publisher>(
  state: BrokerState<P>,
  client: Client | null,
  packet: PublishPacket,
  done: (error?: Error | null) => void,
): void {
  const { options } = state;
  const session = client === null ? undefined : state.sessions.of(client);
  if (client === null || session === undefined) {
    done(new Error('nobody is known to have published this'));
    return;
  }
  const { publisher, clientId } = session;
  const topic = topicOf(packet);
  // Topics that begin with $ are the broker's own (MQTT 3.1.1 clause 4.7.2).
  if (topic.startsWith('$') || !options.authorizePublish(publisher, topic)) {
    state.refusals('publish');
    options.log.warn({ clientId, topic }, 'MQTT: publish refused');
    done(new Error('publish refused'));
    return;
  }
  boundRetained(state, packet);
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
  const bytes = payload.length + topic.length + PACKET_BYTES;
  const pace = state.shares.of(publisher.tenant ?? `\0${clientId}`);
  pace.begin(bytes);
  const message = {
    topic,
    payload,
    receivedUs: state.nowUs(),
    dup: packet.dup ?? false,
    publisher: { clientId, tenant: publisher.tenant },
  };
  const goOn = (error: Error | null) => {
    pace.settle(bytes);
    done(error);
  };
  const stream = streamOf(client);
  const { order } = session;
  const isNew = packet.qos !== 2 || !isRepetition({ ...state, order }, client, packet, goOn);
  const busy = isNew
    ? options.handler(
        message,
        order.add(() => goOn(null)),
      )
    : undefined;
  if (busy !== undefined) {
    stream.pauseReading();
    const resume = () => stream.resumeReading();
    busy.then(resume, resume);
  }
  if (pace.full) {
    stream.pauseReading();
    pace.whenRoomy(() => stream.resumeReading());
  }
}

/** Keeps the number of retained topics, which live in memory, below its maximum. */
function boundRetained<P extends Publisher>(state: BrokerState<P>, packet: PublishPacket): void {
  if (!packet.retain) return;
  if (packet.payload.length === 0) state.retained.delete(packet.topic);
  else if (state.retained.size < RETAINED_TOPICS_MAX) state.retained.add(packet.topic);
  else if (!state.retained.has(packet.topic)) packet.retain = false;
}

function hooks<P extends Publisher>(state: BrokerState<P>): AedesOptions {
  const { options } = state;
  return {
    persistence: state.store.persistence,
    // A device may send its first messages without waiting for CONNACK; a socket's chunk bounds how many those are.
    queueLimit: 65_536,
    connectTimeout: 10_000,
    // QoS 2: `exactlyOnce` has the bound.
    maxInflightInbound: 0,
    // A subscriber that reads nothing for so long holds up the forwarding for all.
    drainTimeout: 5_000,
    preConnect(client, packet, done) {
      // The stream watches over keepalive instead, because it knows when it is the broker who does not read.
      streamOf(client).expectTraffic(packet.keepalive ?? 0);
      packet.keepalive = 0;
      done(null, true);
    },
    authenticate(client, username, password, done) {
      const { id: clientId } = client;
      options
        .authenticate({
          clientId,
          username,
          password: password?.toString('utf8'),
          loopback: isLoopback(streamOf(client).socket),
        })
        .then((outcome) => {
          if ('refused' in outcome) {
            state.refusals('connect');
            options.log.warn({ clientId, reason: outcome.refused }, 'MQTT: refused');
            done(authenticateError(outcome), false);
            return;
          }
          state.sessions.begin(client, outcome);
          done(null, true);
        })
        .catch((cause: unknown) => done(authenticateError({ refused: messageOf(cause) }), false));
    },
    authorizePublish: (client, packet, done) => takePublish(state, client, packet, done),
    authorizeSubscribe(client, subscription, done) {
      const allowed = state.sessions.subscribe(client, subscription.topic);
      if (allowed) state.store.grant(subscription);
      else {
        state.refusals('subscribe');
        state.store.refuse(client, subscription.topic);
      }
      done(null, allowed ? subscription : null);
    },
    authorizeForward(client, packet) {
      const session = state.sessions.of(client);
      if (session === undefined) return null;
      return options.authorizeForward(session.publisher, packet.topic) ? packet : null;
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new TailraceError(
          'mqtt_listen_failed',
          cause.code === 'EADDRINUSE'
            ? `Port ${port} of ${host} is taken: set MQTT_PORT to a free one, or MQTT_URL to the broker that is there.`
            : `Cannot listen on ${host}:${port} for MQTT: ${cause.message}`,
          { cause },
        ),
      );
    });
    server.listen(port, host, resolve);
  });
}

/** Counts what devices were refused and why. */
function refusalCounter(metrics: Metrics): (reason: string) => void {
  const counter = metrics.counter(
    'tailrace_mqtt_refused_total',
    'connections, publishes, subscriptions and packets that the embedded broker refused',
    ['reason'],
  );
  return (reason) => counter.inc({ reason });
}

/**
 * Starts to listen.
 * @throws TailraceError `mqtt_listen_failed` where the address cannot be had.
 */
export async function startEmbeddedBroker<P extends Publisher>(
  options: EmbeddedBrokerOptions<P>,
): Promise<EmbeddedBroker<P>> {
  const { metrics, log } = options;
  const refusals = refusalCounter(metrics);
  const clientsMax = options.clientsMax ?? CLIENTS_MAX;
  const { messagesInFlightMax: messagesMax = 65_535, bytesInFlightMax: bytesMax = BYTES_MAX } =
    options;
  const pace = createPace({ metrics, what: 'mqtt_broker_in_flight', messagesMax, bytesMax });
  const exactlyOnce = createExactlyOnce(metrics);
  const state: BrokerState<P> = {
    options,
    exactlyOnce,
    pace,
    shares: sharePace(pace, {
      messagesMax: messagesMax * TENANT_SHARE,
      bytesMax: bytesMax * TENANT_SHARE,
    }),
    nowUs: createReceiptClock(options.clock),
    sessions: createBrokerSessions({
      authorizeSubscribe: options.authorizeSubscribe,
      refusals,
      log,
    }),
    store: createSessionStore({
      metrics,
      log,
      exactlyOnce,
      sessionsMax: clientsMax,
      ...options.kept,
    }),
    streams: new Set(),
    retained: new Set(),
    refusals,
  };
  metrics.bounded('mqtt_broker_clients', () => state.streams.size, clientsMax);
  metrics.bounded('mqtt_broker_retained', () => state.retained.size, RETAINED_TOPICS_MAX);

  const aedes = await Aedes.createBroker(hooks(state));
  forwardNoDeepTopics(aedes);
  const quiet = (client: Client, error: Error) =>
    log.debug(
      { clientId: state.sessions.of(client)?.clientId ?? client.id, reason: error.message },
      'MQTT: connection ended',
    );
  aedes.on('clientError', quiet);
  aedes.on('connectionError', quiet);
  aedes.on('client', state.store.arrive);
  aedes.on('clientDisconnect', state.store.leave);
  aedes.on('unsubscribe', (filters, client) => state.sessions.unsubscribe(client, filters));
  // Its housekeeping of wills emits `error`, which would end the process where nobody listens.
  const emitter: EventEmitter = aedes;
  emitter.on('error', (cause) => log.error({ err: cause }, 'MQTT: the embedded broker failed'));

  const server = createServer({ noDelay: true }, (socket) => {
    if (state.streams.size >= clientsMax) {
      state.refusals('too_many_clients');
      socket.destroy();
      return;
    }
    const stream = createDeviceStream(socket, {
      packetBytesMax: options.packetBytesMax ?? PACKET_BYTES_MAX,
      onFault: (fault) => {
        state.refusals(fault);
        log.warn({ fault, remote: socket.remoteAddress }, 'MQTT: connection closed');
      },
    });
    state.streams.add(stream);
    stream.once('close', () => state.streams.delete(stream));
    standInForDeepTopics(aedes.handle(stream));
  });
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  const host = isIPv6(options.host) ? `[${options.host}]` : options.host;
  let stopped: Promise<void> | undefined;
  return {
    name: 'embedded broker',
    port,
    url: `mqtt://${host}:${port}`,
    publish: createOwnPublishing({ ...state, ...options }, aedes),
    connections: state.sessions.connections,
    stop() {
      stopped ??= stopBroker(state, server, aedes);
      return stopped;
    },
  };
}

/** Resolves when what was written to a device, its last PUBACKs, is with the system; a stuck device is not waited for. */
async function flushed(stream: DeviceStream): Promise<void> {
  // aedes writes in the turn after its hook's answer.
  await setImmediate();
  if (stream.writableLength === 0 || stream.destroyed) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, FLUSH_MAX_MS);
    stream.write(Buffer.alloc(0), () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Accepts and reads nothing more, waits for what was read to be acknowledged, and closes every connection. */
async function stopBroker<P extends Publisher>(
  state: BrokerState<P>,
  server: Server,
  aedes: Aedes,
): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  for (const stream of state.streams) stream.pauseReading();
  const drained = await state.pace.drained(state.options.drainMaxMs ?? 10_000);
  if (!drained) {
    state.options.log.warn('MQTT: stopping with unacknowledged messages; devices send them again');
  }
  await Promise.all([...state.streams].map(flushed));
  await new Promise<void>((resolve) => aedes.close(resolve));
  for (const stream of state.streams) stream.destroy();
  await closed;
}
