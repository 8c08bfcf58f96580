// What the pipeline shows of itself in the metrics.
import type { Metrics } from '../lib/metrics.ts';
import { MESSAGE_BYTES } from './batch.ts';
import type { Filling } from './filling.ts';
import type { FlushLimits } from './flush-rule.ts';
import type { Ledger } from './ledger.ts';
import type { Traffic } from './traffic.ts';

export function exposeLedger(metrics: Metrics, ledger: Ledger): void {
  metrics.counted(
    'tailrace_ingest_readings_total',
    'readings by what became of them; received is the sum of the others and of those in flight',
    'outcome',
    () => ledger.totals(),
  );
  metrics.gauge(
    'tailrace_ingest_in_flight',
    'readings that were received and are not settled yet',
    () => ledger.inFlight,
  );
}

export function exposePipeline(
  metrics: Metrics,
  parts: {
    readonly limits: FlushLimits;
    readonly filling: Filling;
    readonly traffic: Traffic;
    readonly bytesMax: number;
  },
): void {
  const { limits, filling, traffic, bytesMax } = parts;
  metrics.bounded('ingest_batch_rows', () => filling.batch.rows, limits.rowsMax);
  metrics.bounded('ingest_batch_bytes', () => filling.batch.bytes, limits.bytesMax);
  metrics.bounded('ingest_batches', () => traffic.batches, limits.batchesMax);
  metrics.bounded('ingest_in_flight_bytes', () => traffic.bytes, bytesMax);
  const waitingMax = Math.ceil(bytesMax / MESSAGE_BYTES);
  metrics.bounded('ingest_waiting_messages', () => filling.waiting, waitingMax);
}
