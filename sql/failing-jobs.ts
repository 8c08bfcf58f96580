// TimescaleDB's background jobs that fail: compression and retention stand still then, and only the server's log says so.
import type { Database } from './connection.ts';

export interface FailingJob {
  readonly id: number;
  /** What it does, as TimescaleDB calls it: `policy_compression`. */
  readonly procedure: string;
  /** In a row. */
  readonly failures: number;
  /** The last error, where TimescaleDB has kept it. */
  readonly message: string | undefined;
}

const FAILING = `
select job.job_id, job.proc_name, stat.consecutive_failures, (
    select error.err_message from timescaledb_information.job_errors as error
    where error.job_id = job.job_id order by error.start_time desc limit 1
  ) as message
from _timescaledb_internal.bgw_job_stat as stat
join timescaledb_information.jobs as job using (job_id)
where not stat.last_run_success
order by job.job_id`;

/** The jobs of this database whose last run failed; none before the extension is there. */
export async function failingJobs({ writer }: Pick<Database, 'writer'>): Promise<FailingJob[]> {
  const { rows: installed } = await writer.query(
    "select from pg_extension where extname = 'timescaledb'",
  );
  if (installed.length === 0) return [];
  const { rows } = await writer.query<{
    job_id: number;
    proc_name: string;
    consecutive_failures: number;
    message: string | null;
  }>(FAILING);
  return rows.map((row) => ({
    id: row.job_id,
    procedure: row.proc_name,
    failures: row.consecutive_failures,
    message: row.message ?? undefined,
  }));
}
