// A subscription at a broker outside: a persistent session whose messages are acknowledged when their readings are
// committed, and a connection that comes back by itself for as long as the process lives.
import type { Clock } from '../clock.ts';
import type { Part } from '../lifecycle.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import { type BrokerConnection, connectToBroker } from './broker-connection.ts';
import type { MessageHandler } from './message.ts';
import { createPace, type Pace } from './pace.ts';
import { createReceiptClock } from './receipt-clock.ts';
import { createSessionFilters, type FilterMemory, type SessionFilters } from './session-filters.ts';
import { afterConnection, FALLBACK_WARNING, FIRST_CHOICE, versionOf } from './version-choice.ts';

export interface SubscriptionOptions {
  /** mqtt, mqtts, ws or wss, with user and password where the broker wants them. */
  readonly url: string;
  /** Names the session at the broker: the same after a restart, another for every process. */
  readonly clientId: string;
  /** Processes of one group share the messages among them. */
  readonly shareGroup?: string;
  readonly filters?: readonly string[];
  /** What the session at the broker was subscribed to in an earlier life of the process. */
  readonly filterMemory?: FilterMemory;
  /** How long the broker keeps the session while nobody is there (MQTT 5); 2^32 - 1 or more is for ever. */
  readonly sessionExpiryS?: number;
  readonly handler: MessageHandler;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** Seconds between signs of life where nothing else is sent. */
  readonly keepaliveS?: number;
  readonly messagesInFlightMax?: number;
  readonly bytesInFlightMax?: number;
  readonly packetBytesMax?: number;
  /** How long `stop` waits for the acknowledgements of what was received; the broker keeps the rest. */
  readonly drainMaxMs?: number;
}

export interface Subscription extends Part {
  /** Whether the connection stands and the broker has granted every filter. */
  subscribed(): boolean;
  /** Resolves when the first filters are granted. */
  readonly ready: Promise<void>;
  /** Follows these filters from now on, without a reconnection: first subscribes to new ones, then leaves old ones. */
  setFilters(filters: readonly string[]): void;
}

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** A connection that stood for so long was not taken by another process that does the same. */
const LASTING_MS = 10_000;
/** After so many the wait grows no longer. */
const ATTEMPTS_SLOWEST = 6;

/** Wait before the `attempt`th reconnection in a row: doubling, capped, spread so that a fleet does not come at once. */
export function reconnectDelayMs(attempt: number, random: number): number {
  const whole = Math.min(RECONNECT_MAX_MS, RECONNECT_FIRST_MS * 2 ** Math.min(attempt, 16));
  return whole * (0.5 + random / 2);
}

/** What the connections of one subscription share. */
interface Story {
  readonly options: SubscriptionOptions;
  readonly filters: SessionFilters;
  readonly pace: Pace;
  readonly nowUs: () => number;
  stopping: boolean;
  connection: BrokerConnection | undefined;
  /** Ends the wait before the next attempt. */
  wake: () => void;
  granted: boolean;
  onGranted: () => void;
}

/** Starts to connect, and goes on until `stop`. Does not wait for the broker: it may come later. */
export function startSubscription(options: SubscriptionOptions): Subscription {
  const pace = createPace({
    metrics: options.metrics,
    what: 'mqtt_unacknowledged',
    // A broker's window, Receive Maximum, ends at 65,535 (MQTT 5 clause 3.1.2.11.3).
    messagesMax: options.messagesInFlightMax ?? 65_535,
    bytesMax: options.bytesInFlightMax ?? 64 * 1024 * 1024,
  });
  let onGranted = () => {};
  const ready = new Promise<void>((resolve) => {
    onGranted = resolve;
  });
  const { filters = ['t/#'], shareGroup, filterMemory } = options;
  const prefix = shareGroup === undefined ? '' : `$share/${shareGroup}/`;
  const story: Story = {
    options,
    filters: createSessionFilters(filters, prefix, filterMemory),
    pace,
    nowUs: createReceiptClock(options.clock),
    stopping: false,
    connection: undefined,
    wake: () => {},
    granted: false,
    onGranted,
  };
  options.metrics.gauge(
    'tailrace_mqtt_subscribed',
    'whether the MQTT subscription stands (1) or not (0)',
    () => (isSubscribed(story) ? 1 : 0),
  );
  const ended = stayConnected(story);
  let stopped: Promise<void> | undefined;
  return {
    name: 'mqtt subscription',
    ready,
    subscribed: () => isSubscribed(story),
    setFilters(some) {
      story.filters.want(some);
      story.connection?.changeFilters();
    },
    stop() {
      stopped ??= stopStory(story, ended);
      return stopped;
    },
  };
}

function isSubscribed({ granted, connection }: Story): boolean {
  return granted && connection?.refused().length === 0;
}

/** Reads nothing more, lets what was read be acknowledged, and says goodbye; the session stays at the broker. */
async function stopStory(story: Story, ended: Promise<void>): Promise<void> {
  story.stopping = true;
  story.connection?.pause();
  const drained = await story.pace.drained(story.options.drainMaxMs ?? 10_000);
  if (!drained) {
    story.options.log.warn(
      'MQTT: stopping with unacknowledged messages; the broker sends them again',
    );
  }
  await story.connection?.end();
  story.wake();
  await ended;
}

/** Connects, waits for the end of the connection, and connects again. */
async function stayConnected(story: Story): Promise<void> {
  const { log } = story.options;
  const broker = new URL(story.options.url).host;
  let choice = FIRST_CHOICE;
  let failures = 0;
  let lastReason: string | undefined;
  while (!story.stopping) {
    const version = versionOf(choice);
    const connection = connectToBroker({ ...story, version });
    story.connection = connection;
    const sinceMs = performance.now();
    const subscribed = await connection.subscribed;
    if (subscribed) {
      lastReason = undefined;
      story.granted = true;
      story.onGranted();
      log.info({ broker, version: version === 5 ? '5' : '3.1.1' }, 'MQTT: subscribed');
    }
    const end = await connection.ended;
    story.granted = false;
    story.connection = undefined;
    if (story.stopping) return;
    if (end.reason !== lastReason) {
      log.warn({ broker, reason: end.reason }, 'MQTT: no connection to the broker, trying again');
    }
    lastReason = end.reason;
    choice = afterConnection(choice, end);
    if (choice.kind === 'fallback') log.warn({ broker }, FALLBACK_WARNING);
    // Two processes of one id take the session from each other without end; most brokers close without a word then.
    if (end.takenOver) failures = ATTEMPTS_SLOWEST;
    else if (subscribed && performance.now() - sinceMs > LASTING_MS) failures = 0;
    await pause(story, reconnectDelayMs(failures++, Math.random()));
  }
}

function pause(story: Story, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    story.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
