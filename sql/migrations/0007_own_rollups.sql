-- Rollups are materialised by statements of our own: of the series that are stale, and not of all series in a window, as
-- refresh_continuous_aggregate does. (A rig that sends six hours late among 10,000 series made 10,000 rows anew for each
-- one of its own.) The continuous aggregates stay what they were, relations with chunks and compression; nobody calls a
-- refresh, so TimescaleDB's own account of what is stale is not needed.

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

-- Readings are only asked for by series, also when rollups are made: an index by time alone was a quarter of the cost of
-- every row written.
drop index tailrace.reading_time;

-- Marks of one series that lie this far apart become one. The refresher widens it while there are too many of them, so
-- that a backfill of any shape leaves at most one mark a series.
alter table tailrace.late_horizon add column mark_gap interval not null default '15 minutes';
create index dirty_range_start on tailrace.dirty_range (start_time desc);
