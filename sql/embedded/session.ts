// Who holds the engine's one session. A client takes it when it has something to run, keeps it until its transaction is
// over, and gives it back; the others wait. Between any two runs the event loop turns, so that new bytes, cancels and
// lost clients are seen.
//
// Order: whoever has the earliest deadline, which is when it began to wait plus a multiple of how long it usually holds.
// So a read of 2 ms does not stand behind four writers of 60 ms, and a writer that has waited for a quarter of a second
// is before any read that comes then: nobody starves.

/** Somebody who uses the session. */
export interface SessionClient {
  /** Maintenance: what it runs does not count as use of the database. */
  readonly background?: true;
  /** Whether there is something to run now. */
  hasWork(): boolean;
  /** Runs the next piece, and says whether the session is still needed. Must not throw. */
  runNext(): 'keeps' | 'releases';
}

export interface Session {
  /** Says that a client has work now; harmless when it waits or holds already. */
  wake(client: SessionClient): void;
  /** Takes a client out of the queue; true if it waited there. */
  withdraw(client: SessionClient): boolean;
  isHolder(client: SessionClient): boolean;
  /** The holder, and since when it has had nothing to run while others wait. */
  idleHolder(nowMs: number): { client: SessionClient; idleMs: number } | undefined;
  /** Clients that wait. */
  readonly waiting: number;
  /** When a client that is not in the background last ran something. */
  readonly lastRunMs: number;
  /** Stops handing the session out, once the piece in hand is done. */
  close(): void;
}

export interface Waiter {
  readonly client: SessionClient;
  readonly sinceMs: number;
  readonly usualHoldMs: number;
}

const HOLD_WEIGHT = 4;
/** How much the newest hold counts in the moving mean. */
const NEWEST_WEIGHT = 0.3;

/** The waiter with the earliest deadline; the first of equals. */
export function earliest(waiters: Iterable<Waiter>): Waiter | undefined {
  let best: Waiter | undefined;
  for (const waiter of waiters) {
    if (best === undefined || deadlineMs(waiter) < deadlineMs(best)) best = waiter;
  }
  return best;
}

function deadlineMs(waiter: Waiter): number {
  return waiter.sinceMs + HOLD_WEIGHT * waiter.usualHoldMs;
}

/** Makes a session that nobody holds. `nowMs` is a monotonic clock. */
export function createSession(nowMs: () => number): Session {
  const waiters = new Map<SessionClient, Waiter>();
  const usualHoldMs = new WeakMap<SessionClient, number>();
  let holder: { client: SessionClient; sinceMs: number; idleSinceMs: number } | undefined;
  let lastRunMs = nowMs();
  let scheduled = false;
  let closed = false;

  function schedule(): void {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(turn);
  }

  function enqueue(client: SessionClient): void {
    if (waiters.has(client) || !client.hasWork()) return;
    waiters.set(client, {
      client,
      sinceMs: nowMs(),
      usualHoldMs: usualHoldMs.get(client) ?? 0,
    });
  }

  function release(client: SessionClient, heldMs: number): void {
    const usual = usualHoldMs.get(client) ?? heldMs;
    usualHoldMs.set(client, usual + NEWEST_WEIGHT * (heldMs - usual));
    holder = undefined;
    enqueue(client);
  }

  /** Takes the next out of the queue; one that cannot go on (its answers are not read) wakes again when it can. */
  function takeEarliest(): Waiter | undefined {
    for (;;) {
      const next = earliest(waiters.values());
      if (next === undefined) return undefined;
      waiters.delete(next.client);
      if (next.client.hasWork()) return next;
    }
  }

  function turn(): void {
    scheduled = false;
    if (closed) return;
    if (holder === undefined) {
      const next = takeEarliest();
      if (next === undefined) return;
      holder = { client: next.client, sinceMs: nowMs(), idleSinceMs: nowMs() };
    }
    if (!holder.client.hasWork()) return;
    const { client, sinceMs } = holder;
    const outcome = client.runNext();
    holder.idleSinceMs = nowMs();
    if (client.background === undefined) lastRunMs = holder.idleSinceMs;
    if (outcome === 'releases') release(client, holder.idleSinceMs - sinceMs);
    if (holder === undefined ? waiters.size > 0 : client.hasWork()) schedule();
  }

  return {
    wake(client) {
      if (holder?.client !== client) enqueue(client);
      schedule();
    },
    withdraw: (client) => waiters.delete(client),
    isHolder: (client) => holder?.client === client,
    idleHolder(now) {
      if (holder === undefined || waiters.size === 0 || holder.client.hasWork()) return undefined;
      return { client: holder.client, idleMs: now - holder.idleSinceMs };
    },
    get waiting() {
      return waiters.size;
    },
    get lastRunMs() {
      return lastRunMs;
    },
    close() {
      closed = true;
      waiters.clear();
    },
  };
}
