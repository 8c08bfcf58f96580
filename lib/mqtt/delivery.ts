// Hands single messages to a broker outside, at QoS 1, for a caller that wants to know whether it took them: MQTT 5
// where the broker speaks it, else 3.1.1. Nothing is queued while the broker is away: whoever waits has a signal that
// ends it.
import {
  connect,
  type ErrorWithReasonCode,
  type IConnackPacket,
  type MqttClient,
  type PacketCallback,
} from 'mqtt';
import { messageOf, TailraceError } from '../errors.ts';
import type { Part } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { createPace } from './pace.ts';
import { afterConnection, FALLBACK_WARNING, FIRST_CHOICE, versionOf } from './version-choice.ts';
import { createWaitingRoom } from './waiting-room.ts';

/** What is handed over. */
export interface DeliveredMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** For MQTT 5 only. */
  readonly contentType?: string | undefined;
}

export interface Delivery extends Part {
  /** Whether the broker speaks MQTT 5; waits for it. @throws TailraceError `broker_unavailable` once the signal says so. */
  carriesContentType(signal: AbortSignal): Promise<boolean>;
  /**
   * Resolves when the broker has acknowledged the message, and somebody is subscribed as far as it says.
   * @throws TailraceError `broker_unavailable`: it may have been taken nevertheless. `body_too_large` where the broker
   * takes no packets of that size.
   */
  deliver(message: DeliveredMessage, signal: AbortSignal): Promise<void>;
}

export interface DeliveryOptions {
  /** mqtt, mqtts, ws or wss, with user and password where the broker wants them. */
  readonly url: string;
  readonly clientId: string;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly messagesMax?: number;
  readonly bytesMax?: number;
}

const RECONNECT_MS = 500;
/** How long a broker that is away is waited for: as long as one takes to restart. */
const AWAY_MAX_MS = 3_000;
/** What a PUBLISH has beside topic, payload and content type, at most. */
const OVERHEAD_BYTES = 64;
/** What ingesters take (Maximum Packet Size): a broker drops what is larger without a word. */
const PACKET_BYTES_MAX = 16 * 1024 * 1024;
/** MQTT 5 clause 3.4.2.1: taken, but nobody is subscribed. */
const NO_MATCHING_SUBSCRIBERS = 0x10;
/** Of a CONNACK: MQTT 3.1.1 clause 3.2.2.3, MQTT 5 clause 3.2.2.2. */
const REFUSED_VERSIONS: readonly unknown[] = [1, 0x84];

function unavailable(detail: string, cause?: unknown): TailraceError {
  return new TailraceError('broker_unavailable', detail, { cause });
}

/** What the broker said when it let this client in. */
interface Terms {
  readonly version: 4 | 5;
  readonly packetBytesMax: number;
  readonly windowMax: number;
}

function termsOf({ properties }: IConnackPacket, version: 4 | 5): Terms {
  return {
    version,
    packetBytesMax: Math.min(PACKET_BYTES_MAX, properties?.maximumPacketSize ?? PACKET_BYTES_MAX),
    windowMax: properties?.receiveMaximum ?? 65_535,
  };
}

/** A connection that comes back by itself, with the newest version of MQTT that the broker speaks. */
function stayConnected({ url, clientId, log }: DeliveryOptions) {
  const client = connect(url, {
    ...{ clientId, clean: true, protocolVersion: 5, reconnectPeriod: RECONNECT_MS },
    ...{ connectTimeout: 5_000, resubscribe: false, reconnectOnConnackError: true },
  });
  const { options } = client;
  const window = createWindow();
  const listeners = new Set<() => void>();
  let terms: Terms | undefined;
  let reason: string | undefined;
  let choice = FIRST_CHOICE;
  /** Of the connection that there is, or is tried. */
  let fault: { readonly code: unknown } | undefined;

  /** What waits for an acknowledgement was for the other version: sent again it would lack what that one carries. */
  function speak(version: 4 | 5): void {
    options.protocolVersion = version;
    for (const id of Object.keys(client.outgoing)) client.removeOutgoingMessage(Number(id));
  }

  client.on('connect', (connack) => {
    terms = termsOf(connack, options.protocolVersion === 5 ? 5 : 4);
    window.resize(terms.windowMax);
    reason = undefined;
    for (const tell of [...listeners]) tell();
  });
  client.on('error', (error) => {
    fault ??= { code: (error as ErrorWithReasonCode).code };
    if (reason === undefined)
      log.warn({ reason: error.message }, 'MQTT: no delivery to the broker');
    reason = error.message;
  });
  client.on('close', () => {
    const answered = terms !== undefined;
    const refusesVersion = !answered && REFUSED_VERSIONS.includes(fault?.code);
    const silent = !answered && fault === undefined;
    choice = afterConnection(choice, { answered, refusesVersion, silent });
    if (choice.kind === 'fallback') log.warn(FALLBACK_WARNING);
    if (versionOf(choice) !== options.protocolVersion) speak(versionOf(choice));
    terms = undefined;
    fault = undefined;
  });

  return {
    client,
    window,
    /** Waits for the broker, and gives what it allows. */
    async terms(signal: AbortSignal): Promise<Terms> {
      const patience = AbortSignal.any([signal, AbortSignal.timeout(AWAY_MAX_MS)]);
      while (terms === undefined) {
        if (patience.aborted) throw unavailable(`The broker cannot be reached${because(reason)}.`);
        await new Promise<void>((resolve) => {
          const done = () => {
            listeners.delete(done);
            patience.removeEventListener('abort', done);
            resolve();
          };
          listeners.add(done);
          patience.addEventListener('abort', done, { once: true });
        });
      }
      return terms;
    },
  };
}

/** How many messages may wait for their acknowledgements at a time: as many as the broker says (Receive Maximum). */
function createWindow() {
  let underWay = 0;
  let max = 1;
  let tellRoomy: (() => void) | undefined;
  const room = createWaitingRoom({
    get full() {
      return underWay >= max;
    },
    begin: () => void underWay++,
    whenRoomy: (resume) => {
      tellRoomy = resume;
      tell();
    },
  });

  function tell(): void {
    if (underWay >= max || tellRoomy === undefined) return;
    const resume = tellRoomy;
    tellRoomy = undefined;
    resume();
  }

  return {
    enter: (signal: AbortSignal) => room.enter(0, signal).catch(tooMuch),
    leave() {
      underWay--;
      tell();
    },
    resize(to: number) {
      max = to;
      tell();
    },
  };
}

function tooMuch(cause: unknown): never {
  throw unavailable('Too much waits for the broker.', cause);
}

function because(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : ` (${reason})`;
}

/** Publishes at QoS 1 and waits for the PUBACK; a message that is given up is not sent again after a reconnect. */
function publish(
  client: MqttClient,
  { topic, payload, contentType }: DeliveredMessage,
  unheard: Set<number>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    const properties = contentType === undefined ? {} : { properties: { contentType } };
    const answered: PacketCallback = (error, packet) => {
      signal.removeEventListener('abort', giveUp);
      const nobody = packet?.messageId !== undefined && unheard.delete(packet.messageId);
      if (error) reject(unavailable(`The broker refused it: ${messageOf(error)}.`, error));
      else if (nobody) reject(unavailable('Nobody is subscribed at the broker: no ingester runs.'));
      else resolve();
    };
    client.publish(topic, bytes, { qos: 1, ...properties }, answered);
    const messageId = client.getLastMessageId();

    function giveUp(): void {
      reject(unavailable('The broker did not acknowledge it in time.'));
      // While the library sends again what it kept, a message may wait for its id.
      const isOurs = client.outgoing[messageId]?.cb === answered;
      if (isOurs) client.removeOutgoingMessage(messageId);
    }
    signal.addEventListener('abort', giveUp, { once: true });
  });
}

/** Makes what delivers. It connects when something is delivered for the first time, and stays connected then. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const pace = createPace({
    metrics: options.metrics,
    what: 'mqtt_deliveries',
    messagesMax: options.messagesMax ?? 1_000,
    bytesMax: options.bytesMax ?? 64 * 1024 * 1024,
  });
  const room = createWaitingRoom(pace);
  /** Ids of messages for which nobody is subscribed, until their callback has looked. */
  const unheard = new Set<number>();
  let connection: ReturnType<typeof stayConnected> | undefined;
  let stopped: Promise<void> | undefined;

  function connected(): ReturnType<typeof stayConnected> {
    if (stopped !== undefined) throw unavailable('This process is stopping.');
    if (connection !== undefined) return connection;
    connection = stayConnected(options);
    connection.client.on('packetreceive', (packet) => {
      if (packet.cmd !== 'puback' || packet.reasonCode !== NO_MATCHING_SUBSCRIBERS) return;
      if (packet.messageId !== undefined) unheard.add(packet.messageId);
    });
    return connection;
  }

  return {
    name: 'mqtt delivery',
    async carriesContentType(signal) {
      const { version } = await connected().terms(signal);
      return version === 5;
    },
    async deliver(message, signal) {
      const { topic, payload, contentType = '' } = message;
      const bytes = payload.length + Buffer.byteLength(topic) + contentType.length + OVERHEAD_BYTES;
      await room.enter(bytes, signal).catch(tooMuch);
      try {
        const { client, terms, window } = connected();
        const { version, packetBytesMax } = await terms(signal);
        if (bytes > packetBytesMax) {
          const detail = `With its topic it may have ${packetBytesMax} bytes at this broker: send less at a time.`;
          throw new TailraceError('body_too_large', detail);
        }
        if (version === 4 && contentType !== '') {
          throw unavailable('The broker speaks another version of MQTT now.');
        }
        await window.enter(signal);
        try {
          await publish(client, message, unheard, signal);
        } finally {
          window.leave();
        }
      } finally {
        pace.settle(bytes);
      }
    },
    stop() {
      stopped ??= end();
      return stopped;
    },
  };

  async function end(): Promise<void> {
    if (connection === undefined) return;
    await pace.drained(0);
    const { client } = connection;
    await new Promise<void>((resolve) => {
      const isConnected = client.connected;
      client.end(true, () => resolve());
      // MQTT.js waits for its stream to close, which one that never opened has done already.
      if (!isConnected) resolve();
    });
  }
}
