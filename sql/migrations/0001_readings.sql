-- Readings, rollups and the account of what is stale in them.
--
-- Everything stands in the schema tailrace and every name is qualified: on a shared server nobody's search_path
-- changes. The columns of a continuous aggregate cannot be added to later (TimescaleDB refuses ADD COLUMN on one), so
-- each family below is complete from the start and a family that is not needed is left unrefreshed.

create extension if not exists timescaledb;

create schema if not exists tailrace;

-- What a reading belongs to. Labels are compared as jsonb, so the order of keys makes no second series.
create table tailrace.series (
  id          int4 generated always as identity primary key,
  tenant      text not null,
  asset       text not null,
  channel     text not null,
  labels      jsonb not null default '{}',
  unit        text,
  value_kind  text not null check (value_kind in ('number', 'state')),
  index_kind  text not null default 'time' check (index_kind in ('time', 'depth')),
  first_time  timestamptz,
  created_at  timestamptz not null default now(),
  unique (tenant, asset, channel, labels, index_kind)
);

-- quality 0 is good; other values are the device's own code.
create table tailrace.reading (
  series_id  int4 not null,
  time       timestamptz not null,
  value      float8 not null,
  quality    int2 not null default 0
);
select create_hypertable('tailrace.reading', by_range('time', interval '1 day'), create_default_indexes => false);
create unique index reading_series_time on tailrace.reading (series_id, time);
-- For refreshing rollups, which asks for all series of a few minutes: without it every refresh reads the whole day. It
-- costs a quarter of CPU more per row written; a BRIN costs 3 %, but is only used where ANALYZE has run, which nobody
-- does on the embedded engine.
create index reading_time on tailrace.reading (time);
alter table tailrace.reading set (
  timescaledb.compress,
  timescaledb.compress_segmentby = 'series_id',
  timescaledb.compress_orderby = 'time'
);

create table tailrace.state_reading (
  series_id  int4 not null,
  time       timestamptz not null,
  value      text not null,
  quality    int2 not null default 0
);
select create_hypertable('tailrace.state_reading', by_range('time', interval '7 days'),
  create_default_indexes => false);
create unique index state_reading_series_time on tailrace.state_reading (series_id, time);
alter table tailrace.state_reading set (
  timescaledb.compress,
  timescaledb.compress_segmentby = 'series_id',
  timescaledb.compress_orderby = 'time'
);

-- A float8 cannot be a hypertable's dimension, and one depth may legally be logged twice.
create table tailrace.depth_reading (
  series_id  int4 not null,
  depth      float8 not null,
  value      float8 not null,
  quality    int2 not null default 0,
  ordinal    int8 generated always as identity
);
create index depth_reading_series_depth on tailrace.depth_reading (series_id, depth, ordinal);

-- count, sum and the sum of squares about the mean (Youngs and Cramer, as PostgreSQL's own float8 aggregates keep
-- them). A plain sum of squares gave a deviation of 0 instead of 0.289 on 1e9 plus noise.
create aggregate tailrace.stats(float8) (
  sfunc = float8_accum, stype = float8[], initcond = '{0,0,0}', combinefunc = float8_combine, parallel = safe);
create aggregate tailrace.stats_merge(float8[]) (
  sfunc = float8_combine, stype = float8[], initcond = '{0,0,0}', combinefunc = float8_combine, parallel = safe);

-- Old chunks are compressed by series: 10 times smaller, and rollups are refreshed from them 5 to 12 times faster. Late
-- readings and corrections still go in. Hourly, so that imported history does not wait half a day.
select add_compression_policy('tailrace.reading', compress_after => interval '7 days',
  schedule_interval => interval '1 hour');
select add_compression_policy('tailrace.state_reading', compress_after => interval '14 days',
  schedule_interval => interval '1 hour');
