// What ingesting costs beside time on the clock: CPU of Node, memory, write-ahead log, and how long a reading is on its
// way when there is no hurry.
import type { BenchCase } from '../case.ts';
import { copyBatches, encodeBatches } from '../setup.ts';
import { percentile } from '../statistics.ts';
import { readingsOf, rowsOf } from '../workload.ts';
import { copyAll, type IngestPath, ingest, receiveAll, type Shape } from './path.ts';

/** Readings a second while their way is timed: a quarter of what a small machine takes. */
const PACED_READINGS_PER_S = 20_000;
const MIB = 2 ** 20;

export function costCases(path: IngestPath, quick: boolean): BenchCase[] {
  const packed: Shape = {
    form: 'packed',
    messages: quick ? 2_000 : 10_000,
    readingsPerMessage: 100,
  };
  return [
    {
      name: 'ingest/CPU of Node, MessagePack × 100',
      unit: 's/million readings',
      better: 'less',
      target: { kind: 'value', max: 3 },
      run: async () => (await ingest(path, packed)).cpuSPerMillion,
      ceiling: {
        name: 'bare MQTT.js subscriber of the same messages',
        run: async () => (await receiveAll(path, packed)).cpuSPerMillion,
      },
    },
    {
      name: 'ingest/peak memory of the ingester',
      unit: 'MiB',
      better: 'less',
      run: async () => (await ingest(path, packed)).rssPeakBytes / MIB,
      ceiling: {
        name: 'the bare subscriber’s process, the embedded engine in it',
        run: async () => process.resourceUsage().maxRSS / 1024,
      },
    },
    {
      name: 'ingest/write-ahead log',
      unit: 'bytes/reading',
      better: 'less',
      run: () => walBytesOf(path, packed, () => ingest(path, packed)),
      ceiling: {
        name: 'sorted binary COPY of as many rows',
        run: () => walBytesOf(path, packed, () => copyAll(path, packed)),
      },
    },
    ...latencyCases(path, quick),
  ];
}

/** Bytes of write-ahead log for a reading while `work` stores as many as `shape` has. */
async function walBytesOf(
  { ground }: IngestPath,
  shape: Shape,
  work: () => Promise<unknown>,
): Promise<number> {
  const position = async () => {
    const { rows } = await ground.database.writer.query<{ bytes: string }>(
      `select pg_current_wal_lsn() - '0/0'::pg_lsn as bytes`,
    );
    return Number(rows[0]?.bytes);
  };
  const before = await position();
  await work();
  return ((await position()) - before) / (shape.messages * shape.readingsPerMessage);
}

function latencyCases(path: IngestPath, quick: boolean): BenchCase[] {
  const seconds = quick ? 2 : 10;
  const forms: readonly [string, Shape][] = [
    ['single JSON', { form: 'value', messages: 2_000 * seconds, readingsPerMessage: 1 }],
    [
      'MessagePack × 100',
      {
        form: 'packed',
        messages: (PACED_READINGS_PER_S / 100) * seconds,
        readingsPerMessage: 100,
      },
    ],
  ];
  return forms.flatMap(([name, shape]) =>
    [0.5, 0.99].map((share) => ({
      name: `ingest/publish to committed p${share * 100}, ${name}`,
      unit: 'ms',
      better: 'less' as const,
      async run() {
        const messagesPerS = shape.messages / seconds;
        const { latenciesMs } = await ingest(path, shape, { messagesPerS });
        return percentile(latenciesMs, share);
      },
      ceiling: {
        name: 'a COPY of 100 rows with its COMMIT',
        run: async () => percentile(await commitsMs(path), share),
      },
    })),
  );
}

/** How long each of some small transactions takes, one after another. */
async function commitsMs(path: IngestPath): Promise<number[]> {
  const workload = path.next({ form: 'packed', messages: 100, readingsPerMessage: 100 });
  const rows = rowsOf(workload);
  const batches = encodeBatches(rows, path.seriesIds, readingsOf(workload) / workload.messages);
  const tookMs: number[] = [];
  for (const batch of batches) {
    const startMs = performance.now();
    await copyBatches(path.ground.database, [batch]);
    tookMs.push(performance.now() - startMs);
  }
  return tookMs;
}
