// TimescaleDB's jobs: on a server its background workers run them, here nobody would. Which job is due, and in which steps
// it is run, so that each step holds the session as shortly as the job can be cut.
import type { Backend } from './backend.ts';

export interface Job {
  readonly id: number;
  readonly procedure: string;
  readonly intervalMs: number;
  /** jsonb text, or null. */
  readonly config: string | null;
}

/** When each known job is due; jobs that are new wait a little, those that are gone are forgotten. */
export type Schedule = ReadonlyMap<number, number>;

const FIRST_DELAY_MS = 30_000;
const INTERVAL_MIN_MS = 10_000;
/** A job that fails is not tried again before this, however short its interval is. */
const RETRY_MIN_MS = 300_000;
/** One compression job compresses at most so many chunks in a row; the rest waits for its next turn. */
const CHUNKS_PER_RUN_MAX = 1_000;

const SELECT_JOBS = `
select id, proc_schema || '.' || proc_name,
  extract(epoch from schedule_interval) * 1000, config
from _timescaledb_config.bgw_job
where scheduled and id >= 1 and proc_name <> 'policy_telemetry'
order by id`;

const COUNT_COMPRESSED = `
select count(*) from _timescaledb_catalog.chunk where compressed_chunk_id is not null and not dropped`;

const HAS_JOBS = `select to_regclass('_timescaledb_config.bgw_job') is not null`;

/** The jobs of the database; none where it has no TimescaleDB yet. */
export function selectJobs(backend: Backend): Job[] {
  if (backend.query(HAS_JOBS)[0]?.[0] !== 't') return [];
  return backend.query(SELECT_JOBS).map(([id, procedure, intervalMs, config]) => ({
    id: Number(id),
    procedure: procedure ?? '',
    intervalMs: Number(intervalMs),
    config: config ?? null,
  }));
}

/** Brings a schedule up to date with the jobs that there are. */
export function reschedule(schedule: Schedule, jobs: readonly Job[], nowMs: number): Schedule {
  return new Map(jobs.map((job) => [job.id, schedule.get(job.id) ?? nowMs + FIRST_DELAY_MS]));
}

/** The job that has been due for the longest. */
export function dueJob(schedule: Schedule, jobs: readonly Job[], nowMs: number): Job | undefined {
  const due = jobs.filter((job) => (schedule.get(job.id) ?? Number.POSITIVE_INFINITY) <= nowMs);
  return due.sort((a, b) => schedule.get(a.id)! - schedule.get(b.id)!)[0];
}

/** The schedule after a job has run. */
export function afterRun(schedule: Schedule, job: Job, nowMs: number, failed: boolean): Schedule {
  const pauseMs = Math.max(job.intervalMs, failed ? RETRY_MIN_MS : INTERVAL_MIN_MS);
  return new Map(schedule).set(job.id, nowMs + pauseMs);
}

/**
 * Runs a job, giving the session back at each `yield`. Compression goes chunk by chunk; one chunk cannot be cut, nor can
 * any other job.
 */
export function* runJob(backend: Backend, job: Job): Generator<undefined, void> {
  if (job.procedure !== '_timescaledb_functions.policy_compression') {
    backend.query(`call public.run_job(${job.id})`);
    return;
  }
  const config = JSON.stringify({ ...parseConfig(job.config), maxchunks_to_compress: 1 });
  const literal = `'${config.replaceAll("'", "''")}'`;
  for (let i = 0; i < CHUNKS_PER_RUN_MAX; i++) {
    const before = backend.query(COUNT_COMPRESSED)[0]?.[0];
    backend.query(`call ${job.procedure}(${job.id}, ${literal})`);
    if (backend.query(COUNT_COMPRESSED)[0]?.[0] === before) return;
    yield;
  }
}

function parseConfig(config: string | null): object {
  const parsed: unknown = JSON.parse(config ?? '{}');
  return typeof parsed === 'object' && parsed !== null ? parsed : {};
}
