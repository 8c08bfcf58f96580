// The statements of one transaction that are under way: cancelled together, and refused once there is no use in them.
import postgres from 'postgres';
import { pause } from '../lib/pause.ts';
import { askBinary, binaryRowsOf } from './binary-rows.ts';
import { type BackendKey, requestCancel } from './cancel.ts';
import type { Reading } from './snapshot.ts';

/** A request may come between two statements, where it does nothing: it is made again, after longer and longer. */
const AGAIN_MS = 10;
const AGAIN_MAX_MS = 1_000;

export interface Running {
  /** The transaction's statements, accounted for. */
  on(transaction: postgres.TransactionSql): Reading;
  /** Refuses statements from now on with `cause`, and has the server end what it runs. */
  cancel(cause: unknown): void;
  /** Refuses statements from now on with `cause`: the connection is gone. */
  lose(cause: unknown): void;
  /** Refuses statements from now on: the transaction is about to end, and behind it the connection is somebody else's. */
  end(): void;
  /** Resolves when nothing is under way that was asked to end, and nobody asks any more. */
  cancelled(): Promise<void>;
  /** Whether the connection is of no use after this failure. */
  isLost(cause: unknown): boolean;
}

/** Never resolves. */
export function forever(): Promise<never> {
  return new Promise(() => undefined);
}

/** The driver tells of its query where it runs; its types leave that out. */
interface Sent {
  readonly state?: BackendKey | null;
}

/** Makes the account of one transaction. */
export function createRunning(reader: postgres.Sql): Running {
  const underWay = new Set<Promise<unknown>>();
  let refusal: { readonly cause: unknown; readonly isLost: boolean } | undefined;
  let cancelling: Promise<void> | undefined;
  let key: BackendKey | undefined;

  async function cancelUnderWay(): Promise<void> {
    for (let againMs = AGAIN_MS; underWay.size > 0; againMs = Math.min(2 * againMs, AGAIN_MAX_MS)) {
      for (const { state } of underWay as Set<Sent>) key ??= state ?? undefined;
      // Where the server cannot be reached, the next attempt may do better.
      if (key !== undefined) await requestCancel(targetOf(reader), key).catch(() => undefined);
      const ended = new AbortController();
      const { signal } = ended;
      await Promise.race([Promise.allSettled(underWay), pause(againMs, signal)]);
      ended.abort();
    }
  }

  /** Sends a statement, unless there is no use in it any more. */
  function send<T>(ask: () => PromiseLike<T>): Promise<T> {
    if (refusal !== undefined) return Promise.reject(refusal.cause);
    // The driver's query: it is a promise that knows where it runs.
    const query = ask() as Promise<T>;
    underWay.add(query);
    const end = () => underWay.delete(query);
    query.then(end, (cause: unknown) => {
      end();
      if (isOfConnection(cause)) refusal ??= { cause, isLost: true };
    });
    return query;
  }

  return {
    on: (transaction) => ({
      unsafe<T extends object[]>(...statement: Parameters<Reading['unsafe']>): Promise<T> {
        return send<T>(() => transaction.unsafe<T>(...statement));
      },
      async binary(select) {
        return binaryRowsOf(await send(() => askBinary(transaction, select)));
      },
    }),
    cancel(cause) {
      refusal ??= { cause, isLost: false };
      cancelling ??= cancelUnderWay();
    },
    lose(cause) {
      refusal = { cause, isLost: true };
    },
    end() {
      refusal ??= { cause: new Error('the transaction is over'), isLost: false };
    },
    cancelled: async () => cancelling,
    isLost: (cause) => refusal?.isLost === true || isOfConnection(cause),
  };
}

/**
 * Whether a failure is of the connection and not of a statement. The driver would write its ROLLBACK to the socket that
 * is no more, and that ends the process.
 */
function isOfConnection(cause: unknown): boolean {
  if (!(cause instanceof Error) || !('code' in cause)) return false;
  if (cause instanceof postgres.PostgresError) return cause.severity !== 'ERROR';
  return /^(CONNECTION_|CONNECT_TIMEOUT$|E[A-Z]+$)/.test(String(cause.code));
}

function targetOf({ options }: postgres.Sql) {
  const { host, port, path, ssl } = options;
  return {
    host: host[0] ?? 'localhost',
    port: port[0] ?? 5432,
    path: path || undefined,
    ssl: typeof ssl === 'object' ? ssl : (false as const),
  };
}
