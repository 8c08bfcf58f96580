// Borrowing one of the writing connections, and transactions on it.
import type pg from 'pg';

/** A connection for writing, as every statement function takes it. */
export type Client = pg.ClientBase;

/** What has writing connections; a `Database` does. */
export interface Writable {
  readonly writer: pg.Pool;
}

/** setTimeout takes no more. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * Borrows a connection for `work`. It is thrown away where `work` fails: nobody knows in what state it is then. Where
 * `work` takes longer than `deadlineMs` its connection is destroyed, and it fails with ETIMEDOUT.
 */
export async function withClient<T>(
  database: Writable,
  work: (client: Client) => Promise<T>,
  deadlineMs = Number.POSITIVE_INFINITY,
): Promise<T> {
  const client = await database.writer.connect();
  let broken: Error | boolean = false;
  let overdue: Error | undefined;
  const abandon = (): void => {
    overdue = Object.assign(new Error(`no answer for ${deadlineMs} ms`), { code: 'ETIMEDOUT' });
    // The pool ends it, which destroys its socket where a statement is under way: so `work` fails, too.
    client.release(overdue);
  };
  const timer = deadlineMs < TIMER_MS_MAX ? setTimeout(abandon, deadlineMs) : undefined;
  // Without a listener, a connection that breaks between two queries would end the process.
  const onError = (cause: Error): void => {
    broken = cause;
  };
  client.on('error', onError);
  try {
    return await work(client);
  } catch (cause) {
    broken = true;
    throw overdue ?? cause;
  } finally {
    clearTimeout(timer);
    client.off('error', onError);
    if (overdue === undefined) client.release(broken);
  }
}

/**
 * Runs `work` in a transaction that `begin` opens; what `begin` gives back is handed on. Commits, or rolls back and
 * throws what was thrown. If the connection is lost during COMMIT, nobody can say whether it was committed. Fails with
 * ETIMEDOUT where it takes longer than `deadlineMs`.
 */
export async function transact<B, T>(
  database: Writable,
  begin: (client: Client) => Promise<B>,
  work: (client: Client, begun: B) => Promise<T>,
  deadlineMs?: number,
): Promise<T> {
  // What was rolled back is thrown when the connection has been given back: it is as good as before.
  const outcome = await withClient(
    database,
    async (client) => {
      const attempted = await attempt(client, begin, work);
      if (attempted.failed && isOfSession(attempted.cause)) throw attempted.cause;
      return attempted;
    },
    deadlineMs,
  );
  if (outcome.failed) throw outcome.cause;
  return outcome.result;
}

/**
 * Whether what failed may be the session's own and never pass for it: one that began on a read-only server, or in a
 * database that was read-only by default, stays so when the server does not (25006).
 */
function isOfSession(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === '25006';
}

/** `transact` on a connection that the caller has borrowed. */
export async function transactOn<B, T>(
  client: Client,
  begin: (client: Client) => Promise<B>,
  work: (client: Client, begun: B) => Promise<T>,
): Promise<T> {
  const outcome = await attempt(client, begin, work);
  if (outcome.failed) throw outcome.cause;
  return outcome.result;
}

type Outcome<T> = { failed: false; result: T } | { failed: true; cause: unknown };

/** Throws only where not even the rollback went through. */
async function attempt<B, T>(
  client: Client,
  begin: (client: Client) => Promise<B>,
  work: (client: Client, begun: B) => Promise<T>,
): Promise<Outcome<T>> {
  try {
    const result = await work(client, await begin(client));
    await client.query('commit');
    return { failed: false, result };
  } catch (cause) {
    await client.query('rollback').catch(() => {
      throw cause;
    });
    return { failed: true, cause };
  }
}

/** Opens a plain transaction: for `transact`. */
export async function begin(client: Client): Promise<void> {
  await client.query('begin isolation level read committed');
}
