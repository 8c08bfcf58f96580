// A line between clients and the database that a test can cut: in the middle of a COPY, after a COMMIT, or at the dial.
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { driverOptions } from '../sql/connection.ts';

export interface Line {
  /** Leads to the same database, over TCP. */
  readonly url: string;
  /** So many connections are cut once the server has answered a COMMIT, before the client hears of it. */
  cutAtCommit: number;
  /** The connection that passes so many more bytes on to the server is cut then; undefined cuts none. */
  cutAfterBytes: number | undefined;
  /** Whether new connections are closed at once. */
  refuse: boolean;
  close(): Promise<void>;
}

/** Opens a line to the database at `url`. */
export async function openLine(url: string): Promise<Line> {
  const { host = '', port = 5432 } = driverOptions(url).pg;
  const target = host.startsWith('/')
    ? { path: join(host, `.s.PGSQL.${port}`) }
    : { host, port: Number(port) };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    if (line.refuse) client.destroy();
    let committing = false;
    client.on('data', (bytes) => {
      committing ||= line.cutAtCommit > 0 && bytes.includes('commit\0');
      upstream.write(bytes.subarray(0, line.cutAfterBytes));
      if (line.cutAfterBytes === undefined) return;
      line.cutAfterBytes -= bytes.length;
      if (line.cutAfterBytes > 0) return;
      line.cutAfterBytes = undefined;
      client.destroy();
    });
    upstream.on('data', (bytes) => {
      if (!committing) client.write(bytes);
      else if (bytes.includes('COMMIT')) {
        line.cutAtCommit--;
        client.destroy();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  const parsed = new URL(url.replace('@/', '@localhost/'));
  const name = parsed.searchParams.get('dbname') ?? parsed.pathname.slice(1);
  const line: Line = {
    url: `postgres://postgres@127.0.0.1:${address.port}/${name}`,
    cutAtCommit: 0,
    cutAfterBytes: undefined,
    refuse: false,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return line;
}
