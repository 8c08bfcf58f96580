// One connection to a broker outside, from CONNECT to its end. It never comes back: who wants another makes another.
import mqtt, { type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { messageOf } from '../errors.ts';
import { type HeldAcks, holdAcks } from './held-acks.ts';
import type { InboundMessage } from './message.ts';
import type { Pace } from './pace.ts';
import type { SubscriptionOptions } from './subscription.ts';

export interface BrokerConnection {
  /** True when every filter is granted; false when the connection ended before. */
  readonly subscribed: Promise<boolean>;
  readonly ended: Promise<ConnectionEnd>;
  /** Takes no further message from now on. */
  pause(): void;
  /** Says DISCONNECT and closes. Acknowledgements given before are on the wire before it. */
  end(): Promise<void>;
}

export interface ConnectionEnd {
  /** For the log: one sentence, the same for the same cause. */
  readonly reason: string;
  /** The broker says that it does not speak this version. */
  readonly refusesVersion: boolean;
  /** It was connected to, and closed without any answer. */
  readonly silent: boolean;
}

export interface ConnectionOptions {
  readonly options: SubscriptionOptions;
  readonly pace: Pace;
  readonly nowUs: () => number;
  readonly version: 4 | 5;
  /** Subscribe even where the broker has kept the session: the filters may be others than last time. */
  readonly alwaysSubscribe: boolean;
}

const PACKET_BYTES_MAX = 16 * 1024 * 1024;
const SESSION_NEVER_EXPIRES = 0xffff_ffff;
/** A member of a share group that does not come back soon leaves its queue to nobody (emqx#3243). */
const SHARED_SESSION_EXPIRY_S = 120;
/**
 * What tells MQTT.js not to write a PUBACK and to read on (5.16 does both with any error). Where it would write one all
 * the same, the held-acknowledgements stream takes it out; this saves the way there, a sixth of a message's time.
 */
const LATER = new Error('acknowledged later');
/** How long a broker may take to close after DISCONNECT. */
const GOODBYE_MAX_MS = 2_000;
/** CONNACK: unacceptable protocol version (3.1.1), unsupported protocol version (5). */
const VERSION_REFUSALS: readonly unknown[] = [1, 132];

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
            sessionExpiryInterval:
              options.shareGroup === undefined ? SESSION_NEVER_EXPIRES : SHARED_SESSION_EXPIRY_S,
          },
        }
      : {}),
  };
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

/** Asks for the filters at QoS 1; `done` is given what is wrong, if something is. */
function subscribe(
  client: MqttClient,
  options: SubscriptionOptions,
  done: (fault?: string) => void,
) {
  const prefix = options.shareGroup === undefined ? '' : `$share/${options.shareGroup}/`;
  const filters = (options.filters ?? ['t/#']).map((filter) => prefix + filter);
  // Retained messages only with a subscription that is new (rh, MQTT 5): a reconnection is no reason to send them all.
  const wanted = Object.fromEntries(filters.map((filter) => [filter, { qos: 1, rh: 1 } as const]));
  client.subscribe(wanted, (error) => {
    done(error ? `the broker refuses the subscription: ${error.message}` : undefined);
  });
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
  client.on('error', (error) => {
    fault ??= { message: messageOf(error), code: 'code' in error ? error.code : undefined };
  });
  client.on('disconnect', (packet) => {
    fault ??= { message: `the broker says goodbye (reason ${packet.reasonCode})`, code: undefined };
  });

  const ended = new Promise<ConnectionEnd>((resolve) => {
    client.once('close', () => {
      delivery.pause();
      resolve({
        reason: fault?.message ?? 'the connection was closed',
        refusesVersion: !answered && VERSION_REFUSALS.includes(fault?.code),
        silent: !answered && fault === undefined,
      });
    });
  });
  const subscribed = new Promise<boolean>((resolve) => {
    void ended.then(() => resolve(false));
    client.once('connect', (connack) => {
      answered = true;
      if (connack.sessionPresent && !connection.alwaysSubscribe) {
        resolve(true);
        return;
      }
      subscribe(client, options, (wrong) => {
        if (wrong === undefined) return resolve(true);
        fault ??= { message: wrong, code: undefined };
        client.end(true);
      });
    });
  });
  client.connect();

  return {
    subscribed,
    ended,
    pause: delivery.pause,
    async end() {
      client.end(!client.connected);
      const timer = setTimeout(() => client.stream.destroy(), GOODBYE_MAX_MS);
      await ended;
      clearTimeout(timer);
    },
  };
}
