// A client that only publishes, at QoS 1, with a bounded number of messages under way.
import { connect, type IClientOptions } from 'mqtt';

export interface Publisher {
  /**
   * Publishes at QoS 1. Resolves as soon as the message has a place in the window, so that a caller who awaits it never
   * has more than `windowMax` messages in memory, however long the broker is away. Rejects once stopped.
   */
  publish(topic: string, payload: string | Uint8Array): Promise<void>;
  /** Resolves when the broker has acknowledged everything published before the call. */
  flush(): Promise<void>;
  /** Gives what is under way a moment to be acknowledged, then disconnects. May be called more than once. */
  stop(): Promise<void>;
}

export interface PublisherOptions {
  /** `mqtt://host:port`, with user name and password where the broker wants them. */
  readonly url: string;
  readonly clientId: string;
  readonly windowMax: number;
  /** Told of each change between connected and not. */
  readonly onConnection?: (connected: boolean, cause?: Error) => void;
}

const STOP_GRACE_MS = 2_000;
const RECONNECT_MS = 1_000;

/** Connects, and connects again for ever. What was not acknowledged is sent again after a reconnect. */
export function connectPublisher(options: PublisherOptions): Publisher {
  const settings: IClientOptions = {
    clientId: options.clientId,
    clean: true,
    reconnectPeriod: RECONNECT_MS,
    connectTimeout: 10_000,
  };
  const client = connect(options.url, settings);
  let underWay = 0;
  let stopping: Promise<void> | undefined;
  const waiting: { take: () => void; refuse: (cause: Error) => void }[] = [];
  const idle: (() => void)[] = [];
  let cause: Error | undefined;

  client.on('connect', () => options.onConnection?.(true));
  client.on('error', (error) => {
    cause = error;
  });
  client.on('close', () => options.onConnection?.(false, cause));

  function settled(): void {
    underWay--;
    waiting.shift()?.take();
    if (underWay === 0) for (const resolve of idle.splice(0)) resolve();
  }

  async function place(): Promise<void> {
    if (underWay < options.windowMax) return;
    await new Promise<void>((take, refuse) => waiting.push({ take, refuse }));
  }

  function flush(): Promise<void> {
    return underWay === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve));
  }

  async function end(): Promise<void> {
    for (const { refuse } of waiting.splice(0)) refuse(stopped());
    let timer: NodeJS.Timeout | undefined;
    const grace = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, client.connected ? STOP_GRACE_MS : 0);
    });
    await Promise.race([flush(), grace]);
    clearTimeout(timer);
    await new Promise<void>((resolve) => {
      const connected = client.connected;
      client.end(true, () => resolve());
      // MQTT.js waits for its stream to close, which one that never opened has done already.
      if (!connected) resolve();
    });
  }

  return {
    async publish(topic, payload) {
      if (stopping !== undefined) throw stopped();
      await place();
      if (stopping !== undefined) throw stopped();
      underWay++;
      // A refusal is the broker's answer to this message alone; the connection's end is told by onConnection.
      client.publish(topic, Buffer.from(payload), { qos: 1 }, settled);
    },
    flush,
    stop() {
      stopping ??= end();
      return stopping;
    },
  };
}

function stopped(): Error {
  return new Error('the publisher was stopped');
}
