// One connection to a broker outside, from CONNECT to its end. It never comes back: who wants another makes another.
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { messageOf } from '../errors.ts';
import { type HeldAcks, holdAcks } from './held-acks.ts';
import type { InboundMessage } from './message.ts';
import type { Pace } from './pace.ts';
import type { SessionFilters } from './session-filters.ts';
import type { SubscriptionOptions } from './subscription.ts';
import type { ConnectionStory } from './version-choice.ts';

export interface BrokerConnection {
  /** True when filters are granted; false when the connection ended before, or all were refused. */
  readonly subscribed: Promise<boolean>;
  /** Filters that the broker refuses, as things are. */
  refused(): readonly string[];
  readonly ended: Promise<ConnectionEnd>;
  /** Takes no further message from now on. */
  pause(): void;
  /** The filters are to be others: brings the session there, if it is not on its way already. */
  changeFilters(): void;
  /** Says DISCONNECT and closes. Acknowledgements given before are on the wire before it. */
  end(): Promise<void>;
}

export interface ConnectionEnd extends ConnectionStory {
  /** For the log: one sentence, the same for the same cause. */
  readonly reason: string;
  /** Another client came under the same id (MQTT 5 says so). */
  readonly takenOver: boolean;
}

export interface ConnectionOptions {
  readonly options: SubscriptionOptions;
  readonly pace: Pace;
  readonly nowUs: () => number;
  readonly version: 4 | 5;
  readonly filters: SessionFilters;
}

const PACKET_BYTES_MAX = 16 * 1024 * 1024;
const SESSION_NEVER_EXPIRES = 0xffff_ffff;
/**
 * Longer than any restart, for what a killed member had not acknowledged waits for it; but not for ever, as a member that
 * never comes back leaves its queue to nobody (emqx#3243).
 */
const SHARED_SESSION_EXPIRY_S = 600;
/**
 * What tells MQTT.js not to write a PUBACK and to read on (5.16 does both with any error). Where it would write one all
 * the same, the held-acknowledgements stream takes it out; this saves the way there, a sixth of a message's time.
 */
const LATER = new Error('acknowledged later');
/** How long a broker may take to close after DISCONNECT. */
const GOODBYE_MAX_MS = 2_000;
/** CONNACK: unacceptable protocol version (3.1.1), unsupported protocol version (5). */
const VERSION_REFUSALS: readonly unknown[] = [1, 132];
/** DISCONNECT: session taken over. */
const TAKEN_OVER = 142;

function clientOptions({ options, version }: ConnectionOptions): IClientOptions {
  const url = new URL(options.url);
  return {
    clientId: options.clientId,
    protocolVersion: version,
    clean: false,
    keepalive: options.keepaliveS ?? 30,
    connectTimeout: 10_000,
    reconnectPeriod: 0,
    resubscribe: false,
    manualConnect: true,
    // Its own would ask an environment variable for every packet (a twelfth of its time).
    log: () => {},
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(version === 5
      ? {
          properties: {
            receiveMaximum: 65_535,
            maximumPacketSize: options.packetBytesMax ?? PACKET_BYTES_MAX,
            sessionExpiryInterval: sessionExpiryS(options),
          },
        }
      : {}),
  };
}

function sessionExpiryS({ sessionExpiryS, shareGroup }: SubscriptionOptions): number {
  if (sessionExpiryS !== undefined) return Math.min(sessionExpiryS, SESSION_NEVER_EXPIRES);
  return shareGroup === undefined ? SESSION_NEVER_EXPIRES : SHARED_SESSION_EXPIRY_S;
}

function withoutCredentials(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.toString();
}

/** What of a PUBLISH goes to the handler. */
function toMessage(packet: IPublishPacket, receivedUs: number): InboundMessage {
  const { topic, dup, properties } = packet;
  const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
  if (properties === undefined) return { topic, payload, receivedUs, dup };
  const { contentType, userProperties } = properties;
  return {
    topic,
    payload,
    receivedUs,
    dup,
    ...(contentType === undefined ? {} : { contentType }),
    ...(userProperties === undefined ? {} : { userProperties: lastOfEach(userProperties) }),
  };
}

/** User properties with the last of several values under one name. */
function lastOfEach(
  properties: NonNullable<NonNullable<IPublishPacket['properties']>['userProperties']>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : (value.at(-1) ?? ''),
    ]),
  );
}

/** Gives each message to the handler, and lets MQTT.js read on when the pipeline and the pace have room. */
function deliverMessages(
  client: MqttClient,
  acks: () => HeldAcks,
  { options, pace, nowUs }: ConnectionOptions,
): { pause(): void; paused(): boolean } {
  let ended = false;
  let waiting = false;
  client.handleMessage = (packet, done) => {
    if (ended) return;
    const from = acks();
    // What comes at QoS 0 has nothing to acknowledge; the subscription never asks for more than 1.
    const held = packet.qos === 0 ? undefined : from.hold(packet.messageId as number);
    const bytes = packet.payload.length + packet.topic.length;
    pace.begin(bytes);
    const busy = options.handler(toMessage(packet, nowUs()), () => {
      if (held !== undefined) from.release(held);
      pace.settle(bytes);
    });
    if (busy === undefined && !pace.full) {
      done(packet.qos === 0 ? undefined : LATER);
      return;
    }
    waiting = true;
    const goOn = () =>
      pace.whenRoomy(() => {
        waiting = false;
        if (!ended) done(packet.qos === 0 ? undefined : LATER);
      });
    if (busy === undefined) goOn();
    else busy.then(goOn, goOn);
  };
  return {
    pause() {
      ended = true;
    },
    paused: () => waiting || ended,
  };
}

/**
 * While reading waits for the database, the broker's PINGRESP lies behind messages that nobody reads (MQTT.js#1935,
 * #2026). So a connection is dead only when it was read from and nothing at all came.
 */
function outliveFullPipes(client: MqttClient, acks: () => HeldAcks, paused: () => boolean): void {
  const giveUp = client.onKeepaliveTimeout.bind(client);
  let seenBytes = 0;
  client.onKeepaliveTimeout = () => {
    const bytes = acks().bytesReceived();
    if (!paused() && bytes === seenBytes) {
      giveUp();
      return;
    }
    seenBytes = bytes;
    client.sendPing();
    client.reschedulePing(true);
  };
}

/** Brings the session's filters to what they should be, one change after another. */
function grantFilters(
  client: MqttClient,
  { filters, options }: ConnectionOptions,
  giveUp: (reason: string) => void,
): { settle(): Promise<boolean>; refused(): readonly string[] } {
  let refused: readonly string[] = [];
  let settling: Promise<boolean> = Promise.resolve(true);

  async function settle(): Promise<boolean> {
    try {
      const { refused: some, granted } = await filters.settle(client);
      refused = some;
      if (some.length === 0) return true;
      const reason = `the broker refuses the subscription to ${some.slice(0, 5).join(', ')}`;
      if (granted === 0) giveUp(reason);
      else options.log.error({ refused: some.length }, `MQTT: ${reason}`);
      return granted > 0;
    } catch {
      return false; // The connection has ended, and says why.
    }
  }

  return {
    refused: () => refused,
    settle() {
      settling = settling.then(settle);
      return settling;
    },
  };
}

function closedSilently({ clientId }: SubscriptionOptions, answered: boolean): string {
  const reason = 'the connection was closed';
  if (!answered) return reason;
  return `${reason}; if that goes on, another client may have the id ${clientId}, too (MQTT_CLIENT_ID)`;
}

/** Opens a connection and subscribes. */
export function connectToBroker(connection: ConnectionOptions): BrokerConnection {
  const { options } = connection;
  const client = mqtt.connect(withoutCredentials(options.url), clientOptions(connection));
  let acks: HeldAcks | undefined;
  const heldAcks = () => acks as HeldAcks;
  // MQTT.js knows how to make each kind of stream, and has no other place to put one around it.
  // biome-ignore lint/complexity/useLiteralKeys: the member is private to TypeScript
  const buildStream = client['streamBuilder'];
  // biome-ignore lint/complexity/useLiteralKeys: the member is private to TypeScript
  client['streamBuilder'] = (self: MqttClient) => {
    acks = holdAcks(buildStream(self));
    return acks.stream;
  };
  const delivery = deliverMessages(client, heldAcks, connection);
  outliveFullPipes(client, heldAcks, delivery.paused);

  let fault: { message: string; code: unknown } | undefined;
  let answered = false;
  let takenOver = false;
  client.on('error', (error) => {
    fault ??= { message: messageOf(error), code: 'code' in error ? error.code : undefined };
  });
  client.on('disconnect', (packet) => {
    takenOver = packet.reasonCode === TAKEN_OVER;
    const message = takenOver
      ? `another client came with the id ${options.clientId}: give each process a MQTT_CLIENT_ID of its own`
      : `the broker says goodbye (reason ${packet.reasonCode})`;
    fault ??= { message, code: undefined };
  });

  const ended = new Promise<ConnectionEnd>((resolve) => {
    client.once('close', () => {
      delivery.pause();
      resolve({
        reason: fault?.message ?? closedSilently(options, answered),
        answered,
        refusesVersion: !answered && VERSION_REFUSALS.includes(fault?.code),
        silent: !answered && fault === undefined,
        takenOver,
      });
    });
  });
  const granting = grantFilters(client, connection, (message) => {
    fault ??= { message, code: undefined };
    client.end(true);
  });
  const subscribed = new Promise<boolean>((resolve) => {
    void ended.then(() => resolve(false));
    client.once('connect', (connack) => {
      answered = true;
      if (!connack.sessionPresent) connection.filters.forget();
      void granting.settle().then(resolve);
    });
  });
  client.connect();

  return {
    subscribed,
    ended,
    refused: granting.refused,
    pause: delivery.pause,
    changeFilters() {
      // Before it is connected nothing is on its way, and everything is still to come.
      if (answered) void granting.settle();
    },
    async end() {
      client.end(!client.connected);
      const timer = setTimeout(() => client.stream.destroy(), GOODBYE_MAX_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
