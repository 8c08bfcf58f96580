// An embedded database for the tests of its endpoint, with the clients that they speak through.
import { rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { createLog } from '../lib/log.ts';
import { driverOptions } from '../sql/connection.ts';
import { type EmbeddedDatabase, startEmbeddedDatabase } from '../sql/embedded/engine.ts';
import { makeMigratedDataDir } from './database.ts';

export interface TestEngine {
  readonly engine: EmbeddedDatabase;
  readonly dataDir: string;
  openClient(): Promise<pg.Client>;
  withClient<T>(use: (client: pg.Client) => Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

/** Starts one on a migrated directory of its own. */
export async function openTestEngine(): Promise<TestEngine> {
  const dataDir = await makeMigratedDataDir();
  const engine = await startEmbeddedDatabase({
    dataDir,
    tcpPort: 0,
    syncs: false,
    log: createLog('silent'),
  });

  async function openClient(): Promise<pg.Client> {
    const client = new pg.Client(driverOptions(engine.url).pg);
    await client.connect();
    return client;
  }

  return {
    engine,
    dataDir,
    openClient,
    async withClient(use) {
      const client = await openClient();
      try {
        return await use(client);
      } finally {
        await client.end();
      }
    },
    async dispose() {
      await engine.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** COPY FROM STDIN of some data. */
export async function copyInto(
  client: pg.Client,
  statement: string,
  data: Buffer | string,
): Promise<void> {
  await pipeline(Readable.from([data]), client.query(copyFrom(statement)));
}
