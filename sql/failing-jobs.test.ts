import { expect, it } from 'vitest';
import { openTestDatabase } from '../test/database.ts';
import { failingJobs } from './failing-jobs.ts';

it('jobs that fail are told with their last error, and those that do not are not', async () => {
  const { database, dispose } = await openTestDatabase();
  try {
    const { writer } = database;
    await writer.query(
      "create schema broken; create procedure broken.job(int, jsonb) language plpgsql as $$ begin raise 'no room'; end $$",
    );
    const { rows } = await writer.query("select add_job('broken.job', '1 hour') as id");
    const { id } = rows[0] as { id: number };
    const ours = async () => (await failingJobs(database)).filter((job) => job.id === id);
    expect(await ours()).toEqual([]);
    const state = (failures: number) =>
      writer.query(
        `insert into _timescaledb_internal.bgw_job_stat
           (job_id, last_finish, next_start, last_successful_finish, last_run_success, total_runs, total_duration,
            total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures,
            consecutive_crashes)
         values ($1, now(), now() + interval '1 hour', '-infinity', $2 = 0, 3, '0', '0', 3 - $2, $2, 0, $2, 0)
         on conflict (job_id) do update set
           last_run_success = excluded.last_run_success, consecutive_failures = excluded.consecutive_failures`,
        [id, failures],
      );
    await state(2);
    expect(await ours()).toMatchObject([{ id, procedure: 'job', failures: 2 }]);
    await state(0);
    expect(await ours()).toEqual([]);
  } finally {
    await dispose();
  }
});
