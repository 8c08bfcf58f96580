// QoS 2 messages of devices between PUBLISH and PUBREL. The handler gets each once: what comes under an identifier that is
// still open is a repetition (MQTT 3.1.1 clause 4.3.3), whether or not it is flagged so, and over a reconnection, too.
import type { Metrics } from '../metrics.ts';
import type { ReceiptOrder } from './receipt-order.ts';

export interface ExactlyOnce {
  /**
   * Opens an identifier, and says what a PUBLISH under it is. `then` of a repetition is called when the first one is
   * taken, so that it is answered no earlier, or with an error when the session ends before; `full` where no more can be open.
   */
  open(client: Opener, messageId: number, then: Then): 'new' | 'repeated' | 'full';
  /** The handler has acknowledged it. False where the session it belongs to has ended. */
  take(client: Opener, messageId: number): boolean;
  isTaken(client: Opener, messageId: number): boolean;
  /** PUBREL. False where it was not taken. */
  release(client: Opener, messageId: number): boolean;
  /** A connection of a clean session begins, and ends what was before it, or has closed, and ends its own. */
  clean(client: Opener): void;
  /** The session is forgotten. */
  forget(sessionId: string): void;
}

type Then = (ended?: Error) => void;

/** A connection of a session. */
interface Opener {
  readonly id: string;
  readonly closed: boolean;
}

interface Open {
  /** Under which it first came. */
  readonly opener: Opener;
  /** Whom to tell that it is taken; undefined when it is. */
  waiting: Then[] | undefined;
}

/** Of all sessions; one has 65,535 identifiers. */
const OPEN_MAX = 1_000_000;

/** Makes an empty one. */
export function createExactlyOnce(metrics: Metrics, openMax = OPEN_MAX): ExactlyOnce {
  const sessions = new Map<string, Map<number, Open>>();
  let count = 0;
  metrics.bounded('mqtt_broker_qos2_open', () => count, openMax);

  /** Takes an identifier away from a session that has ended. */
  function end(session: Map<number, Open>, messageId: number): void {
    const waiting = session.get(messageId)?.waiting ?? [];
    session.delete(messageId);
    count--;
    for (const then of waiting) then(new Error('the session has ended'));
  }

  const find = ({ id }: Opener, messageId: number) => sessions.get(id)?.get(messageId);

  return {
    open(client, messageId, then) {
      const open = find(client, messageId);
      if (open !== undefined) {
        if (open.waiting === undefined) then();
        else open.waiting.push(then);
        return 'repeated';
      }
      if (count >= openMax) return 'full';
      const session = sessions.get(client.id) ?? new Map<number, Open>();
      sessions.set(client.id, session);
      session.set(messageId, { opener: client, waiting: [] });
      count++;
      return 'new';
    },
    take(client, messageId) {
      const open = find(client, messageId);
      // After a clean session the identifier may be another message's.
      if (open === undefined || open.opener !== client) return false;
      const waiting = open.waiting ?? [];
      open.waiting = undefined;
      for (const then of waiting) then();
      return true;
    },
    isTaken(client, messageId) {
      const open = find(client, messageId);
      return open !== undefined && open.waiting === undefined;
    },
    release(client, messageId) {
      const session = sessions.get(client.id);
      if (session?.get(messageId)?.waiting !== undefined) return false;
      if (!session?.delete(messageId)) return false;
      count--;
      if (session.size === 0) sessions.delete(client.id);
      return true;
    },
    clean(client) {
      const session = sessions.get(client.id) ?? new Map<number, Open>();
      for (const [messageId, { opener }] of session) {
        // One that is taken over may close after its successor has begun.
        if ((opener === client) === client.closed) end(session, messageId);
      }
      if (session.size === 0) sessions.delete(client.id);
    },
    forget(sessionId) {
      const session = sessions.get(sessionId) ?? new Map<number, Open>();
      sessions.delete(sessionId);
      for (const messageId of session.keys()) end(session, messageId);
    },
  };
}

interface Broker {
  readonly exactlyOnce: ExactlyOnce;
  /** Of the connection. */
  readonly order: ReceiptOrder;
  /** Counts a refusal by its reason. */
  refusals(reason: string): void;
}

/**
 * Whether a PUBLISH at QoS 2 has its answer already: repeats a message that is open, or goes beyond what may be open. `done` lets
 * the broker answer a repetition when it is its turn.
 */
export function isRepetition(
  { exactlyOnce, order, refusals }: Broker,
  client: Opener,
  { messageId }: { readonly messageId?: number | undefined },
  done: (error: Error | null) => void,
): boolean {
  // A will has no identifier.
  if (messageId === undefined) return false;
  const outcome = exactlyOnce.open(client, messageId, (ended) =>
    order.add(() => done(ended ?? null))(),
  );
  if (outcome === 'full') {
    refusals('qos2_window');
    done(new Error('too many messages at QoS 2 are not released'));
  }
  return outcome !== 'new';
}
