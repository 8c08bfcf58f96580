-- Percentiles from counts of values in logarithmic buckets, tailrace.sketch_bucket (DDSketch, VLDB 2019, without its
-- collapsing): what is read back is within 1 % of what was counted. docs/routines.md documents what users may call.

-- As migration 0002 has it, but for "strict", which keeps the planner from inlining a case.
create or replace function tailrace.sketch_bucket(v float8) returns int4
language sql immutable parallel safe as $$
  select case when abs(v) < 2.2250738585072014e-308 then 0
    else sign(v)::int4 * (35500 + ceil(ln(abs(v)) / ln(1.01 / 0.99))::int4) end
$$;

-- counts[i] values lie in value_buckets[i], which rise; min and max are exact. Tables of users may have columns of this
-- type, so it is never dropped.
do $$
begin
  if to_regtype('tailrace.value_sketch') is null then
    create type tailrace.value_sketch as (
      count int8, min float8, max float8, value_buckets int4[], counts int8[]);
  end if;
end $$;

-- Infinity counts as the largest float, which alone has a bucket; NaN is no value.
create or replace function tailrace.sketch_of(vals float8[]) returns tailrace.value_sketch
language sql immutable parallel safe as $$
  select (sum(n)::int8, min(low), max(high), array_agg(b order by b), array_agg(n order by b))::tailrace.value_sketch
  from (
    select tailrace.sketch_bucket(v) as b, count(*) as n, min(v) as low, max(v) as high
    from (
      select least(greatest(x, -1.7976931348623157e308), 1.7976931348623157e308) as v
      from unnest(vals) x where x <> 'NaN'
    ) value
    group by 1
  ) bucket
  having count(*) > 0
$$;

create or replace function tailrace.sketch_join(sketches tailrace.value_sketch[]) returns tailrace.value_sketch
language sql immutable parallel safe as $$
  select (sum(n)::int8, (select min(min) from unnest(sketches)), (select max(max) from unnest(sketches)),
    array_agg(b order by b), array_agg(n order by b))::tailrace.value_sketch
  from (
    select b, sum(n)::int8 as n
    from unnest(sketches) s, unnest(s.value_buckets, s.counts) as bucket (b, n)
    group by b
  ) bucket
  having count(*) > 0
$$;

-- Values are gathered by array_append, which appends in place as no function of ours could, and counted at the end.
create or replace aggregate tailrace.sketch(float8) (
  sfunc = array_append, stype = float8[], initcond = '{}', combinefunc = array_cat,
  finalfunc = tailrace.sketch_of, parallel = safe);
create or replace aggregate tailrace.sketch_merge(tailrace.value_sketch) (
  sfunc = array_append, stype = tailrace.value_sketch[], initcond = '{}', combinefunc = array_cat,
  finalfunc = tailrace.sketch_join, parallel = safe);

-- The middle of a bucket, within 1 % of every value in it: 1.01 times the bound below it.
create or replace function tailrace.sketch_value(value_bucket int4) returns float8
language sql immutable strict parallel safe as $$
  select case when value_bucket = 0 then 0
    else sign(value_bucket) * 1.01
      * least(power(1.01::float8 / 0.99, abs(value_bucket) - 35501), 1.7976931348623157e308 / 1.01) end
$$;

-- On a straight line between two ranks, as percentile_cont has it. A part of a value that is close to the smallest float
-- could be an error in PostgreSQL, not 0: there it is one of the two.
create or replace function tailrace.sketch_quantile(value_buckets int4[], counts int8[], q float8) returns float8
language sql immutable strict parallel safe as $$
  select case when low = high or part = 0 then low
    when abs(low) > 1e-280 and abs(high) > 1e-280 then low * (1 - part) + high * part
    when abs(low) > 1e-280 then low * (1 - part)
    when abs(high) > 1e-280 then high * part
    when part < 0.5 then low else high end
  from (
    select tailrace.sketch_value(min(b) filter (where below > floor(rank))) as low,
      tailrace.sketch_value(min(b) filter (where below > ceil(rank))) as high,
      min(rank - floor(rank)) as part
    from (
      select b, sum(n) over (order by b) as below, q * (sum(n) over () - 1)::float8 as rank
      from unnest(value_buckets, counts) as bucket (b, n)
    ) cumulated
  ) ranks
  where q between 0 and 1
$$;

create or replace function tailrace.sketch_quantile(sketch tailrace.value_sketch, q float8) returns float8
language sql immutable parallel safe as $$
  select case when q = 0 then sketch.min when q = 1 then sketch.max when q between 0 and 1 then greatest(sketch.min, least(sketch.max,
    tailrace.sketch_quantile(sketch.value_buckets, sketch.counts, q))) end
$$;
