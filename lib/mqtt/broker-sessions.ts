// Who is connected to the embedded broker, and what it is subscribed to.
import type { Client } from 'aedes';
import type { Log } from '../log.ts';
import type { DeviceStream } from './device-stream.ts';
import { createReceiptOrder, type ReceiptOrder } from './receipt-order.ts';

/** What the caller makes of a client's credentials. */
export interface Publisher {
  /** The tenant that it speaks for; undefined for an anonymous client. */
  readonly tenant: string | undefined;
}

/** A client that is connected, for whoever watches over rights that end. */
export interface BrokerConnection<P extends Publisher> {
  readonly publisher: P;
  /** Filters that it is subscribed to. */
  readonly filters: ReadonlySet<string>;
  /** Ends it, with no acknowledgement of what is in flight; `reason` is counted and logged. */
  close(reason: string): void;
}

/** An authenticated client. */
export interface Session<P extends Publisher> {
  readonly publisher: P;
  /** As the client says it; the broker knows it by one that also names its tenant. */
  readonly clientId: string;
  readonly filters: Set<string>;
  /** Of what it publishes. */
  readonly order: ReceiptOrder;
}

export interface BrokerSessions<P extends Publisher> {
  /** Also of a client that has just gone: its will is published in its name. */
  of(client: Client): Session<P> | undefined;
  begin(client: Client, publisher: P): void;
  /** Whether the client may have this filter, and has it from now on. */
  subscribe(client: Client, filter: string): boolean;
  unsubscribe(client: Client, filters: readonly string[]): void;
  connections(): readonly BrokerConnection<P>[];
}

/** Of one client. */
const FILTERS_MAX = 1_000;

/** aedes gives back the very stream that it was given. */
export function streamOf(client: Client): DeviceStream {
  return client.conn as DeviceStream;
}

export function createBrokerSessions<P extends Publisher>(options: {
  authorizeSubscribe(publisher: P, filter: string): boolean;
  /** Counts a refusal by its reason. */
  refusals(reason: string): void;
  readonly log: Log;
}): BrokerSessions<P> {
  const { authorizeSubscribe, refusals, log } = options;
  const sessions = new WeakMap<Client, Session<P>>();
  const connected = new Map<Client, Session<P>>();

  function close(client: Client, clientId: string, reason: string): void {
    const stream = streamOf(client);
    if (stream.destroyed) return;
    refusals(reason);
    log.warn({ clientId, reason }, 'MQTT: connection closed');
    // The socket first: what the broker still writes, a PUBACK too, goes nowhere.
    stream.socket.destroy();
    stream.destroy();
  }

  return {
    of: (client) => sessions.get(client),
    begin(client, publisher) {
      const session = {
        ...{ publisher, clientId: client.id },
        ...{ filters: new Set<string>(), order: createReceiptOrder() },
      };
      // The broker keeps sessions by client id, with their subscriptions and what waits for them. With the tenant in
      // it, nobody takes over or ends a session of another tenant by its name. A tenant has no NUL in its name.
      Object.assign(client, { id: `${publisher.tenant ?? ''}\0${client.id}` });
      sessions.set(client, session);
      if (streamOf(client).destroyed) return;
      connected.set(client, session);
      streamOf(client).once('close', () => connected.delete(client));
    },
    subscribe(client, filter) {
      const session = sessions.get(client);
      if (session === undefined) return false;
      const { publisher, filters } = session;
      if (filters.size >= FILTERS_MAX && !filters.has(filter)) return false;
      if (!authorizeSubscribe(publisher, filter)) return false;
      filters.add(filter);
      return true;
    },
    unsubscribe(client, filters) {
      for (const filter of filters) sessions.get(client)?.filters.delete(filter);
    },
    connections: () =>
      Array.from(connected, ([client, { publisher, clientId, filters }]) => ({
        publisher,
        filters,
        close: (reason) => close(client, clientId, reason),
      })),
  };
}
