-- Levels between those that there are: a range at a width of pixels has at most three buckets of a rollup to one of its
-- own, where there were five (5 minutes, of 12 days: 17,280 rows for 3,456 buckets) and twelve (12 hours, of 2 years). They
-- are made from 1m and from 1h. Coarser ones are made from them once they reach as far, so whatever is made already stays
-- right while they are filled from the beginning. Tables like those of path and sketch, not continuous aggregates: nobody
-- calls TimescaleDB's refresh.
create table tailrace.rollup_5m (
  series_id  int4 not null,
  bucket     timestamptz not null,
  first      float8,
  t_first    timestamptz,
  last       float8,
  t_last     timestamptz,
  min        float8,
  t_min      timestamptz,
  max        float8,
  t_max      timestamptz,
  stats      float8[]
);
create table tailrace.rollup_6h (like tailrace.rollup_5m);

do $$
declare
  r record;
begin
  for r in select * from (values
    ('rollup_5m', interval '30 days'), ('rollup_6h', interval '1800 days')) v (name, chunk)
  loop
    perform create_hypertable(format('tailrace.%I', r.name)::regclass, by_range('bucket', r.chunk),
      create_default_indexes => false);
    execute format('create index %I on tailrace.%I (series_id, bucket)', r.name || '_series_bucket', r.name);
  end loop;
end $$;
alter table tailrace.rollup_5m set (timescaledb.compress,
  timescaledb.compress_segmentby = 'series_id', timescaledb.compress_orderby = 'bucket');

insert into tailrace.rollup (ordinal, name, family, level, bucket_ms, maintained) values
  (25, 'rollup_5m', 'm4', '5m', 300000, true),
  (45, 'rollup_6h', 'm4', '6h', 21600000, true);
