// Runs the database's jobs and housekeeping in the gaps between its clients: one step at a time, each a turn at the session
// like anybody's, so that clients wait for one step at most.
import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Backend } from './backend.ts';
import {
  CHECKPOINT_BYTES_MAX,
  type Cleaned,
  IDLE_CHECKPOINT_BYTES_MAX,
  nextCleaning,
  selectChanges,
  selectLogBytes,
} from './housekeeping.ts';
import { afterRun, dueJob, reschedule, runJob, type Schedule, selectJobs } from './jobs.ts';
import type { Session, SessionClient } from './session.ts';
import { NO_SETTINGS, type SettingsSwitch } from './settings.ts';

export interface MaintenanceParts {
  readonly backend: Backend;
  readonly session: Session;
  readonly settings: SettingsSwitch;
  readonly log: Log;
  /** Milliseconds of a monotonic clock. */
  readonly nowMs: () => number;
}

export interface Maintenance {
  stop(): void;
}

type Steps = Generator<undefined, void>;

const LOOK_INTERVAL_MS = 250;
const JOBS_INTERVAL_MS = 10_000;
const CLEANING_INTERVAL_MS = 60_000;
const IDLE_MS = 3_000;
/** What maintenance aims to stay below; longer steps are logged. */
const STEP_MAX_MS = 100;

/** Starts looking for work. Nothing is run while nobody uses the database and no job is due. */
export function startMaintenance(parts: MaintenanceParts): Maintenance {
  const { session, settings, nowMs } = parts;
  const rounds = [checkpoints(parts), jobs(parts), cleaning(parts)];
  let current: Steps | undefined;

  const client: SessionClient = {
    background: true,
    hasWork: () => current !== undefined,
    runNext() {
      settings.adopt(NO_SETTINGS);
      const startedMs = nowMs();
      if (takeStep(current, parts.log)) current = undefined;
      const tookMs = nowMs() - startedMs;
      if (tookMs > STEP_MAX_MS) {
        parts.log.info({ ms: Math.round(tookMs) }, 'a step of maintenance took long');
      }
      return 'releases';
    },
  };

  const timer = setInterval(() => {
    if (current === undefined) current = inTurn(rounds.map((round) => round()));
    if (current !== undefined) session.wake(client);
  }, LOOK_INTERVAL_MS);
  timer.unref();

  return {
    stop() {
      clearInterval(timer);
      session.withdraw(client);
    },
  };
}

/** Runs one step; true when it was the last one. */
function takeStep(steps: Steps | undefined, log: Log): boolean {
  try {
    return steps?.next().done ?? true;
  } catch (cause) {
    log.warn(`maintenance of the embedded database failed: ${messageOf(cause)}`);
    return true;
  }
}

function inTurn(all: readonly (Steps | undefined)[]): Steps | undefined {
  const some = all.filter((steps) => steps !== undefined);
  if (some.length === 0) return undefined;
  return (function* () {
    for (const steps of some) yield* steps;
  })();
}

/** Checkpoints by the size of the log; small ones when nobody is there. */
function checkpoints({ backend, session, nowMs }: MaintenanceParts): () => Steps | undefined {
  // The last use of the database that was looked at, and whether it was over by then.
  let seen = { runMs: Number.NEGATIVE_INFINITY, idle: true };

  function* look(idle: boolean): Steps {
    const bytes = selectLogBytes(backend);
    if (bytes < (idle ? IDLE_CHECKPOINT_BYTES_MAX : CHECKPOINT_BYTES_MAX)) return;
    yield;
    backend.query('checkpoint');
  }

  return () => {
    const runMs = session.lastRunMs;
    const idle = nowMs() - runMs > IDLE_MS;
    if (seen.runMs === runMs && seen.idle === idle) return undefined;
    seen = { runMs, idle };
    return look(idle);
  };
}

function jobs({ backend, log, nowMs }: MaintenanceParts): () => Steps | undefined {
  let schedule: Schedule = new Map();
  let nextLookMs = 0;

  function* run(): Steps {
    const known = selectJobs(backend);
    schedule = reschedule(schedule, known, nowMs());
    for (let job = dueJob(schedule, known, nowMs()); job !== undefined; ) {
      yield;
      let failed = false;
      try {
        yield* runJob(backend, job);
      } catch (cause) {
        failed = true;
        log.warn({ job: job.id, procedure: job.procedure }, `a job failed: ${messageOf(cause)}`);
      }
      schedule = afterRun(schedule, job, nowMs(), failed);
      job = dueJob(schedule, known, nowMs());
    }
  }

  return () => {
    if (nowMs() < nextLookMs) return undefined;
    nextLookMs = nowMs() + JOBS_INTERVAL_MS;
    return run();
  };
}

function cleaning({ backend, nowMs }: MaintenanceParts): () => Steps | undefined {
  let cleaned: Cleaned = new Map();
  let nextLookMs = nowMs() + CLEANING_INTERVAL_MS;

  function* run(): Steps {
    const next = nextCleaning(selectChanges(backend), cleaned);
    if (next === undefined) return;
    const { table, dead, changed } = next.table;
    cleaned = new Map(cleaned).set(table, { dead, changed });
    nextLookMs = nowMs();
    yield;
    // A sample of 3,000 rows instead of 30,000: a step that is a tenth as long.
    backend.query('set default_statistics_target = 10');
    try {
      backend.query(next.statement);
    } finally {
      backend.query('reset default_statistics_target');
    }
  }

  return () => {
    if (nowMs() < nextLookMs) return undefined;
    nextLookMs = nowMs() + CLEANING_INTERVAL_MS;
    return run();
  };
}
