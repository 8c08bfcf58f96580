-- The families path and sketch as tables of their own. As continuous aggregates they were never filled: rollups are made
-- by statements of ours, and such statements make a path by window functions over flat columns, several times faster than
-- an aggregate in plpgsql, and a sketch as one row a bucket and not as one for every bucket of values.
drop materialized view tailrace.path_1d;
drop materialized view tailrace.path_1h;
drop materialized view tailrace.path_15m;
drop materialized view tailrace.path_1m;
drop materialized view tailrace.sketch_1d;
drop materialized view tailrace.sketch_1h;
drop materialized view tailrace.sketch_15m;
drop aggregate tailrace.path(timestamptz, float8);
drop aggregate tailrace.path_merge(float8[]);
drop function tailrace.path_step(float8[], timestamptz, float8);
drop function tailrace.path_join(float8[], float8[]);

-- A path is a run of points in their order. area lies under straight lines from point to point and step_area under steps,
-- in value × seconds; increase is that of a counter whose falls are resets to 0. Two runs join by the gap between them. A
-- value beyond 1e140, whose areas could overflow, makes what is beside it NaN.
--
-- A sketch counts values by tailrace.sketch_bucket: counts[i] of them in value_buckets[i], rising.
create table tailrace.path_1m (
  series_id  int4 not null,
  bucket     timestamptz not null,
  t_first    timestamptz not null,
  first      float8 not null,
  t_last     timestamptz not null,
  last       float8 not null,
  area       float8 not null,
  step_area  float8 not null,
  increase   float8 not null
);
create table tailrace.path_15m (like tailrace.path_1m);
create table tailrace.path_1h (like tailrace.path_1m);
create table tailrace.path_1d (like tailrace.path_1m);
create table tailrace.sketch_15m (
  series_id      int4 not null,
  bucket         timestamptz not null,
  value_buckets  int4[] not null,
  counts         int4[] not null
);
create table tailrace.sketch_1h (like tailrace.sketch_15m);
create table tailrace.sketch_1d (like tailrace.sketch_15m);

do $$
declare
  r record;
begin
  for r in select * from (values
    ('path_1m', interval '7 days', true), ('path_15m', interval '90 days', true),
    ('path_1h', interval '360 days', true), ('path_1d', interval '3600 days', false),
    ('sketch_15m', interval '90 days', true), ('sketch_1h', interval '360 days', true),
    ('sketch_1d', interval '3600 days', false)) v (name, chunk, compressed)
  loop
    perform create_hypertable(format('tailrace.%I', r.name)::regclass, by_range('bucket', r.chunk),
      create_default_indexes => false);
    execute format('create index %I on tailrace.%I (series_id, bucket)', r.name || '_series_bucket', r.name);
    if r.compressed then
      execute format('alter table tailrace.%I set (timescaledb.compress,
        timescaledb.compress_segmentby = ''series_id'', timescaledb.compress_orderby = ''bucket'')', r.name);
    end if;
  end loop;
end $$;

-- What these families say of themselves was said of the relations that are gone.
update tailrace.rollup set materialised_before = '-infinity' where family <> 'm4';
