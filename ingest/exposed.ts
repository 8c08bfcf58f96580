// What the pipeline shows of itself in the metrics.
import type { Metrics } from '../lib/metrics.ts';
import type { Batch } from './batch.ts';
import type { FlushLimits } from './flush-rule.ts';
import type { Ledger } from './ledger.ts';

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

export function exposeBatch(metrics: Metrics, limits: FlushLimits, filling: () => Batch): void {
  metrics.bounded('ingest_batch_rows', () => filling().rows, limits.rowsMax);
  metrics.bounded('ingest_batch_bytes', () => filling().bytes, limits.bytesMax);
}
