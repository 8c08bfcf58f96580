-- Ranges of stored series by buckets, from their readings, one row a bucket that holds any: what /v1/range answers, in
-- SQL. They read each reading once, by set operations, several times faster than an aggregate that calls a function for
-- each. docs/routines.md documents them. The parameter series is tailrace.series.id.

-- first and last are TimescaleDB's, which may be in any schema: they are named by it, for callers with another search_path.
do $$ begin execute format($routine$
create or replace function tailrace.range_m4(series int4, start timestamptz, "end" timestamptz, step interval,
  tz text default 'UTC')
returns table (t timestamptz, first float8, t_first timestamptz, last float8, t_last timestamptz,
  min float8, t_min timestamptz, max float8, t_max timestamptz, count int8)
language sql stable parallel safe rows 1000 as $body$
  select tailrace.bucket(step, r.time, tz), %1$I.first(r.value, r.time), min(r.time), %1$I.last(r.value, r.time),
    max(r.time), min(r.value), %1$I.first(r.time, r.value), max(r.value), %1$I.first(r.time, -r.value), count(*)
  from tailrace.reading r
  where r.series_id = series and r.time >= start and r.time < "end"
  group by 1
  order by 1
$body$
$routine$, (select n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'timescaledb')); end $$;

-- delta counts from the last point before the bucket, wherever it stands, and from the bucket's first where there is none.
create or replace function tailrace.range_line(series int4, start timestamptz, "end" timestamptz, step interval,
  tz text default 'UTC')
returns table (t timestamptz, twa float8, twa_step float8, delta float8, rate float8)
language sql stable parallel safe rows 1000 as $$
  with point as (
    select tailrace.bucket(step, r.time, tz) as bucket, round(date_part('epoch', r.time) * 1e6) as at,
      r.value, tailrace.summable(r.value) as v
    from tailrace.reading r
    where r.series_id = series and r.time >= start and r.time < "end"
    union all
    (select null, round(date_part('epoch', r.time) * 1e6), r.value, tailrace.summable(r.value)
    from tailrace.reading r
    where r.series_id = series and r.time < start
    order by r.time desc limit 1)
  ),
  segment as (
    select bucket, at, value, v, lag(bucket) over w as bucket_before, lag(at) over w as at_before, lag(v) over w as v_before
    from point
    window w as (order by at)
  ),
  line as (
    select bucket, min(at) as t_first, max(at) as t_last, min(at_before) as t_before, max(value) as value,
      sum((at - at_before) * (v_before + v) / 2) filter (where bucket = bucket_before) as area,
      sum((at - at_before) * v_before) filter (where bucket = bucket_before) as step_area,
      coalesce(sum(case when v >= v_before then v - v_before else v + 0 * v_before end), 0) as increase,
      count(at_before) = count(*) as has_before
    from segment
    where bucket is not null
    group by bucket
  )
  select bucket, coalesce(area / nullif(t_last - t_first, 0), value), coalesce(step_area / nullif(t_last - t_first, 0), value), increase,
    increase * 1e6 / nullif(t_last - case when has_before then t_before else t_first end, 0)
  from line
  order by bucket
$$;

create or replace function tailrace.range_quantiles(series int4, start timestamptz, "end" timestamptz, step interval,
  quantiles float8[], tz text default 'UTC')
returns table (t timestamptz, count int8, quantile float8[])
language sql stable parallel safe rows 1000 as $$
  with bucket as materialized (
    select tailrace.bucket(step, r.time, tz) as bucket, tailrace.sketch(r.value) as sketch
    from tailrace.reading r
    where r.series_id = series and r.time >= start and r.time < "end"
    group by 1
  )
  select bucket, (sketch).count, array(select tailrace.sketch_quantile(sketch, q) from unnest(quantiles) q)
  from bucket
  order by bucket
$$;

-- A state holds from its reading until the next one of another state; the one before start is the first. The last one
-- holds until "end". Nothing holds beyond now, whatever readings say: where "end" is later, now stands in its place.
create or replace function tailrace.state_intervals(series int4, start timestamptz, "end" timestamptz)
returns table (value text, "from" timestamptz, until timestamptz)
language sql stable parallel safe rows 1000 as $$
  with point as (
    select r.time as at, r.value from tailrace.state_reading r
    where r.series_id = series and r.time >= start and r.time < least("end", now())
    union all
    (select start, r.value from tailrace.state_reading r
    where r.series_id = series and r.time < start and start < least("end", now())
      and not exists (select from tailrace.state_reading s where s.series_id = series and s.time = start)
    order by r.time desc limit 1)
  ),
  change as (
    select p.at, p.value from (select at, value, lag(value) over (order by at) as before from point) p
    where p.value is distinct from p.before
  )
  select c.value, c.at, lead(c.at, 1, least("end", now())) over (order by c.at)
  from change c
  order by c.at
$$;

-- Seconds that each state held in each bucket.
create or replace function tailrace.time_in_state(series int4, start timestamptz, "end" timestamptz, step interval,
  tz text default 'UTC')
returns table (t timestamptz, value text, seconds float8)
language sql stable parallel safe rows 1000 as $$
  -- By itself: among buckets it would be asked anew for each of them.
  with held as materialized (
    select i.value, i."from", i.until from tailrace.state_intervals(series, start, "end") i
  )
  select b.at, h.value, sum(date_part('epoch', least(h.until, b.until) - greatest(h."from", b.at)))
  from (
    select g as at, lead(g, 1, 'infinity') over (order by g) as until from tailrace.gapfill(start, "end", step, tz) g
  ) b
  join held h on h."from" < b.until and h.until > b.at
  group by b.at, h.value
  order by b.at, h.value
$$;
