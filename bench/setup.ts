// What cases stand on: a database with the schema in it, series, and rows by bare COPY.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import type { Feed } from '../lib/feed/feed.ts';
import { createRing } from '../lib/feed/ring.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { type Database, openDatabase } from '../sql/connection.ts';
import { encodeReadings } from '../sql/copy-binary.ts';
import { startEmbeddedDatabase } from '../sql/embedded/engine.ts';
import { migrate } from '../sql/migrate.ts';
import { copyReadings } from '../sql/statements/copyReadings.ts';
import { withClient } from '../sql/transaction.ts';
import { type Catalogue, openCatalogue } from '../store/catalogue.ts';
import type { BenchContext, Versions } from './case.ts';
import { channelOf, TENANT, type WorkloadRows } from './workload.ts';

const SEED_BATCH_ROWS = 50_000;

/** A fresh database with what every case needs beside it. */
export interface Ground {
  readonly database: Database;
  readonly feed: Feed;
  readonly metrics: Metrics;
  readonly catalogue: Catalogue;
  readonly versions: Pick<Versions, 'database' | 'timescaledb'>;
}

/** Embedded in a folder of its own, or a database of its own at `databaseUrl`; gone when the area is done. */
export async function prepareGround(context: BenchContext): Promise<Ground> {
  const { log, lifecycle, databaseUrl } = context;
  const database =
    databaseUrl === undefined
      ? await openEmbedded(context)
      : await openNative(context, databaseUrl);
  await migrate(database, { log });
  const feed = lifecycle.add(createRing({ recordsMax: 10_000, pointsMax: 1_000_000 }));
  const metrics = createMetrics();
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  lifecycle.add({ name: 'catalogue', stop: () => catalogue.stop() });
  return { database, feed, metrics, catalogue, versions: await readVersions(database) };
}

async function openEmbedded({ log, lifecycle }: BenchContext): Promise<Database> {
  const dataDir = await mkdtemp(join(tmpdir(), 'tailrace-bench-data-'));
  lifecycle.add({ name: 'data folder', stop: () => rm(dataDir, { recursive: true }) });
  const engine = lifecycle.add(await startEmbeddedDatabase({ dataDir, log }));
  return lifecycle.add(await openDatabase({ url: engine.url, embedded: true, log }));
}

async function openNative({ log, lifecycle }: BenchContext, serverUrl: string): Promise<Database> {
  const name = `tailrace_bench_${process.pid}`;
  await administer(serverUrl, `create database ${name}`);
  lifecycle.add({
    name: 'database',
    stop: () => administer(serverUrl, `drop database ${name} with (force)`),
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return lifecycle.add(await openDatabase({ url: url.href, embedded: false, log }));
}

async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function readVersions(database: Database): Promise<Ground['versions']> {
  const { rows } = await database.writer.query<{ server: string; timescaledb: string }>(
    `select current_setting('server_version') as server, extversion as timescaledb
     from pg_extension where extname = 'timescaledb'`,
  );
  const kind = database.embedded ? 'PGlite' : 'PostgreSQL';
  return {
    database: `${kind} ${rows[0]?.server ?? 'unknown'}`,
    timescaledb: rows[0]?.timescaledb ?? null,
  };
}

/** Creates the workload's series, and gives their ids by their index. */
export async function createSeries(
  { catalogue }: Ground,
  count: number,
  firstUs: number,
  tenant: string = TENANT,
): Promise<Int32Array> {
  const series = await catalogue.ensure(
    Array.from({ length: count }, (_, index) => ({
      tenant,
      ...channelOf(index),
      labels: {},
      kind: 'number' as const,
      firstUs,
    })),
  );
  return Int32Array.from(series, ({ id }) => id);
}

/**
 * Rows as COPY takes them, `batchRows` at a time. Each batch is sorted by series and time, as the writer does: that
 * makes COPY into the unique index half as fast again, and a ceiling has to have every advantage.
 */
export function encodeBatches(
  rows: WorkloadRows,
  seriesIds: Int32Array,
  batchRows: number,
): Buffer[] {
  const columns = {
    seriesIds: rows.series.map((index) => seriesIds[index]!),
    timesUs: rows.timesMs.map((timeMs) => timeMs * 1000),
    values: rows.values,
    states: [],
    qualities: new Int16Array(rows.rows),
  };
  const { seriesIds: ids, timesUs } = columns;
  const batches: Buffer[] = [];
  for (let start = 0; start < rows.rows; start += batchRows) {
    const length = Math.min(batchRows, rows.rows - start);
    const order = Int32Array.from({ length }, (_, index) => start + index);
    order.sort((a, b) => ids[a]! - ids[b]! || timesUs[a]! - timesUs[b]!);
    batches.push(encodeReadings(columns, order));
  }
  return batches;
}

/** COPYs batch after batch on one connection, each in a transaction of its own. */
export async function copyBatches(database: Database, batches: readonly Buffer[]): Promise<void> {
  await withClient(database, async (client) => {
    for (const batch of batches) await copyReadings(client, batch);
  });
}

/** Readings of one series at an even pace, straight into the table: a slow wave with noise on it. */
export async function seedSeries(
  database: Database,
  seriesId: number,
  { startMs, endMs, intervalMs }: { startMs: number; endMs: number; intervalMs: number },
): Promise<void> {
  const total = Math.ceil((endMs - startMs) / intervalMs);
  const rows = Int32Array.from({ length: SEED_BATCH_ROWS }, (_, row) => row);
  const columns = {
    seriesIds: new Int32Array(SEED_BATCH_ROWS).fill(seriesId),
    timesUs: new Float64Array(SEED_BATCH_ROWS),
    values: new Float64Array(SEED_BATCH_ROWS),
    states: [],
    qualities: new Int16Array(SEED_BATCH_ROWS),
  };
  for (let start = 0; start < total; start += SEED_BATCH_ROWS) {
    const length = Math.min(SEED_BATCH_ROWS, total - start);
    for (let row = 0; row < length; row++) {
      const timeMs = startMs + (start + row) * intervalMs;
      columns.timesUs[row] = timeMs * 1000;
      columns.values[row] = 50 * Math.sin(timeMs / 5e7) + 5 * Math.sin(timeMs * 0.7);
    }
    await copyBatches(database, [encodeReadings(columns, rows.subarray(0, length))]);
  }
}
