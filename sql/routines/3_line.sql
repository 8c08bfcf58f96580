-- Aggregates of the line through a series' points: time-weighted means, and the increase of a counter. docs/routines.md
-- documents what users may call; the rest may change.
--
-- The state is {t_first, first, t_last, last, area, step_area, increase} with times in whole µs since 1970, which a float
-- holds exactly until 2106, and areas in value × µs. All four aggregates have one state, which PostgreSQL makes once for
-- all that stand in one query. A value beyond 1e140, whose areas could overflow, makes the answer NaN, as in rollups; only
-- `first`, the mean of a single point, is left as it is.

-- What is so small that a part of it could be less than the smallest float, which PostgreSQL takes for an error, is 0.
create or replace function tailrace.summable(value float8) returns float8
language sql immutable parallel safe as $$
  select case when abs(value) <= 1e-280 then 0 when abs(value) <= 1e140 then value else 'NaN' end
$$;

-- Points have to come in the order of time. It is not taken on trust: a wrong mean would look like a right one.
create or replace function tailrace.line_step(s float8[], at timestamptz, value float8) returns float8[]
language plpgsql immutable strict parallel safe as $$
declare
  t constant float8 := round(date_part('epoch', at) * 1e6);
  v constant float8 := case when abs(value) <= 1e-280 then 0 when abs(value) <= 1e140 then value else 'NaN' end;
begin
  if s[3] <= t then
    return array[s[1], s[2], t, v,
      s[5] + (t - s[3]) * (s[4] + v) / 2,
      s[6] + (t - s[3]) * s[4],
      s[7] + case when v >= s[4] then v - s[4] else v + 0 * s[4] end];
  end if;
  if s[3] is null then return array[t, value, t, v, 0, 0, 0]; end if;
  raise exception 'points have to come in the order of time' using errcode = 'data_exception',
    hint = 'Write the order into the aggregate, as in tailrace.twa(time, value order by time), or hand it arrays: '
      'tailrace.twa(array_agg(time), array_agg(value)).';
end $$;

-- The same state from points in any order.
create or replace function tailrace.line_of(times timestamptz[], vals float8[]) returns float8[]
language sql immutable strict parallel safe as $$
  select array[min(t), max(value) filter (where t_before is null), max(t), max(v) filter (where t_after is null),
    coalesce(sum((t - t_before) * (v_before + v) / 2), 0),
    coalesce(sum((t - t_before) * v_before), 0),
    coalesce(sum(case when v >= v_before then v - v_before else v + 0 * v_before end), 0)]
  from (
    select t, value, v, lag(t) over w as t_before, lag(v) over w as v_before, lead(t) over w as t_after
    from (
      select round(date_part('epoch', p.at) * 1e6) as t, p.value, tailrace.summable(p.value) as v, p.ordinal
      from unnest(times, vals) with ordinality as p (at, value, ordinal)
      where p.at is not null and p.value is not null
    ) point
    window w as (order by t, ordinal)
  ) segment
$$;

create or replace function tailrace.line_twa(s float8[]) returns float8
language sql immutable strict parallel safe as $$
  select case when s[3] > s[1] then s[5] / (s[3] - s[1]) else s[2] end
$$;

create or replace function tailrace.line_twa_step(s float8[]) returns float8
language sql immutable strict parallel safe as $$
  select case when s[3] > s[1] then s[6] / (s[3] - s[1]) else s[2] end
$$;

create or replace function tailrace.line_delta(s float8[]) returns float8
language sql immutable strict parallel safe as $$
  select case when s[1] is not null then s[7] end
$$;

create or replace function tailrace.line_rate(s float8[]) returns float8
language sql immutable strict parallel safe as $$
  select case when s[3] > s[1] then s[7] * 1e6 / (s[3] - s[1]) end
$$;

create or replace aggregate tailrace.twa(timestamptz, float8) (
  sfunc = tailrace.line_step, stype = float8[], initcond = '{}', finalfunc = tailrace.line_twa, parallel = safe);
create or replace aggregate tailrace.twa_step(timestamptz, float8) (
  sfunc = tailrace.line_step, stype = float8[], initcond = '{}', finalfunc = tailrace.line_twa_step, parallel = safe);
create or replace aggregate tailrace.delta(timestamptz, float8) (
  sfunc = tailrace.line_step, stype = float8[], initcond = '{}', finalfunc = tailrace.line_delta, parallel = safe);
create or replace aggregate tailrace.rate(timestamptz, float8) (
  sfunc = tailrace.line_step, stype = float8[], initcond = '{}', finalfunc = tailrace.line_rate, parallel = safe);

create or replace function tailrace.twa(times timestamptz[], vals float8[]) returns float8
language sql immutable parallel safe as $$
  select tailrace.line_twa(tailrace.line_of(times, vals))
$$;
create or replace function tailrace.twa_step(times timestamptz[], vals float8[]) returns float8
language sql immutable parallel safe as $$
  select tailrace.line_twa_step(tailrace.line_of(times, vals))
$$;
create or replace function tailrace.delta(times timestamptz[], vals float8[]) returns float8
language sql immutable parallel safe as $$
  select tailrace.line_delta(tailrace.line_of(times, vals))
$$;
create or replace function tailrace.rate(times timestamptz[], vals float8[]) returns float8
language sql immutable parallel safe as $$
  select tailrace.line_rate(tailrace.line_of(times, vals))
$$;
