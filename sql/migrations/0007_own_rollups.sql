-- Rollups are materialised by statements of our own: of the series that are stale, and not of all series in a window, as
-- refresh_continuous_aggregate does. (A rig that sends six hours late among 10,000 series made 10,000 rows anew for each
-- one of its own.) The continuous aggregates stay what they were, relations with chunks and compression; nobody calls a
-- refresh, so TimescaleDB's own account of what is stale is not needed.

-- A process of an older release that still runs would refresh by TimescaleDB's account, find nothing in it, and take marks
-- back all the same. So its run that is under way is waited for (under the lock that its session holds: class and number
-- of REFRESHER_LOCK), and then it has to fail before it claims anything: the first thing that its refresher reads, and
-- nothing else of it does, gets another name. It logs that rollups could not be refreshed until it is stopped; it goes on
-- writing, marking and reading.
select pg_advisory_xact_lock(1952541036, 3);
alter table tailrace.rollup rename column refreshable_from to kept_from;

-- Before 2.28, TimescaleDB keeps that account by a trigger on every row: a fifth of the time of a COPY.
do $$
declare
  t regclass;
begin
  for t in
    select g.tgrelid from pg_trigger g
    join _timescaledb_catalog.hypertable h on format('%I.%I', h.schema_name, h.table_name)::regclass = g.tgrelid
    where g.tgname = 'ts_cagg_invalidation_trigger' and (h.schema_name = 'tailrace' and h.table_name = 'reading'
      or h.id in (select mat_hypertable_id from _timescaledb_catalog.continuous_agg where user_view_schema = 'tailrace'))
  loop
    execute format('drop trigger ts_cagg_invalidation_trigger on %s', t);
  end loop;
end $$;

-- From 2.28 on, every transaction that writes below what was refreshed before adds to that account, which nobody settles
-- any more. As before the first refresh, nothing is below. Only an administrator may write there: where the program's role
-- is none, a row of 40 bytes stays for each transaction with readings from before this migration.
do $$
declare
  never constant int8 := -210866803200000000;
  ours int4[] := array(select h.id from _timescaledb_catalog.hypertable h
    where h.schema_name = 'tailrace' and h.table_name = 'reading' or h.id in
      (select mat_hypertable_id from _timescaledb_catalog.continuous_agg where user_view_schema = 'tailrace'));
begin
  if exists (select from _timescaledb_catalog.continuous_aggs_invalidation_threshold
      where hypertable_id = any (ours) and watermark > never) then
    update _timescaledb_catalog.continuous_aggs_invalidation_threshold set watermark = never
    where hypertable_id = any (ours);
    delete from _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log where hypertable_id = any (ours);
  end if;
exception when insufficient_privilege or undefined_table or undefined_column then
  raise notice 'TimescaleDB''s account of late readings is left as it is: %', sqlerrm;
end $$;

-- Readings are only asked for by series, also when rollups are made: an index by time alone was a quarter of the cost of
-- every row written.
drop index tailrace.reading_time;

-- Marks of one series that lie this far apart become one. The refresher widens it while there are too many of them, so
-- that a backfill of any shape leaves at most one mark a series.
alter table tailrace.late_horizon add column mark_gap interval not null default '15 minutes';
create index dirty_range_start on tailrace.dirty_range (start_time desc);
