// A query server for tests of tails: one series, `rig-1/spp`, a clock that a test moves, and clients that end with it.
import { onTestFinished } from 'vitest';
import { openTestDatabase } from './database.ts';
import {
  startTestQueryServer,
  type TestQueryServer,
  type TestQueryServerOptions,
} from './query-server.ts';
import { connectTail, openStream, type StreamClient, type TailClient } from './tail-client.ts';

export interface TailServer {
  readonly server: TestQueryServer;
  /** The server's, ms since 1970. */
  readonly time: { nowMs: number };
  connect(bearer: string): Promise<TailClient>;
  /** Opens an event stream by the parameters of its URL. */
  stream(query: string, headers?: Readonly<Record<string, string>>): Promise<StreamClient>;
  stop(): Promise<void>;
}

/** Starts it, on a database of its own. */
export async function startTailServer(
  options: Partial<TestQueryServerOptions> = {},
): Promise<TailServer> {
  const own = await openTestDatabase();
  const { database } = own;
  const time = { nowMs: Date.UTC(2026, 0, 2, 12) };
  const server = await startTestQueryServer({ database, clock: () => time.nowMs, ...options });
  await server.write('rig-1', 'spp', [[time.nowMs, 0]]);
  return {
    ...{ server, time },
    async connect(bearer) {
      const client = await connectTail({ url: server.url, bearer });
      onTestFinished(() => client.socket.terminate());
      return client;
    },
    async stream(query, headers = {}) {
      const opened = await openStream(`${server.url}/v1/tail?${query}`, headers);
      onTestFinished(() => opened.abort());
      return opened;
    },
    async stop() {
      await server.stop();
      await own.dispose();
    },
  };
}
