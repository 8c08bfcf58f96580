// The way to a database, for tests that break it at a chosen moment: amid a COPY, or between a COMMIT and its answer.
import { setTimeout } from 'node:timers/promises';
import { driverOptions } from '../sql/connection.ts';
import { type Link, type Passage, startProxy, type TcpProxy } from './proxy.ts';

/** `commit`: the database commits, and nobody is told. */
type Break = 'copy' | 'commit';

export interface DatabaseLine extends TcpProxy {
  readonly url: string;
  /** Resolves when a connection has been cut at the next such moment. */
  cutAt(moment: Break): Promise<void>;
  /** How long each COMMIT takes from now on. */
  delayCommits(ms: number): void;
}

// As `pg` writes them: a simple query each.
const COMMIT = query('commit');
const COPY = Buffer.from('copy tailrace.reading ');

function query(text: string): Buffer {
  const bytes = Buffer.from(`Q....${text}\0`);
  bytes.writeInt32BE(bytes.length - 1, 1);
  return bytes;
}

/** Starts a line to a database. */
export async function startDatabaseLine(databaseUrl: string): Promise<DatabaseLine> {
  const { host = 'localhost', port = 5432, user, database } = driverOptions(databaseUrl).pg;
  const target = host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
  let planned: { readonly moment: Break; done(): void } | undefined;
  let commitMs = 0;

  function cut(link: Link): void {
    const { done } = planned ?? { done: () => {} };
    planned = undefined;
    link.cut();
    done();
  }

  function passage(link: Link): Passage {
    let copying = false;
    let committing = false;
    return {
      async up(chunk) {
        const commits = chunk.includes(COMMIT);
        if (commits && commitMs > 0) await setTimeout(commitMs);
        if (commits && planned?.moment === 'commit') committing = true;
        if (copying && planned?.moment === 'copy') {
          // Some rows get there, and the end does not.
          setImmediate(cut, link);
          return chunk.subarray(0, chunk.length >> 1);
        }
        copying = chunk.includes(COPY);
        return chunk;
      },
      down(chunk) {
        if (!committing) return chunk;
        cut(link);
        return Buffer.alloc(0);
      },
    };
  }

  const proxy = await startProxy(() => target, passage);
  return Object.assign(proxy, {
    url: `postgres://${user}@127.0.0.1:${proxy.port}/${database}`,
    cutAt: (moment: Break) =>
      new Promise<void>((resolve) => {
        planned = { moment, done: resolve };
      }),
    delayCommits(ms: number) {
      commitMs = ms;
    },
  });
}
