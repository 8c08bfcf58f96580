-- First, last, least and greatest value with their times, which draw the same line as all points do where a bucket is a
-- column of pixels (M4, VLDB 2014). docs/routines.md documents it.

-- Tables of users may have columns of this type, so it is never dropped.
do $$
begin
  if to_regtype('tailrace.m4_bucket') is null then
    create type tailrace.m4_bucket as (first float8, t_first timestamptz, last float8, t_last timestamptz,
      min float8, t_min timestamptz, max float8, t_max timestamptz);
  end if;
end $$;

-- The state is {t_first, first, t_last, last, t_min, min, t_max, max} with times in whole µs since 1970. Each entry is
-- compared by itself, so points may come in any order.
create or replace function tailrace.m4_join(a float8[], b float8[]) returns float8[]
language plpgsql immutable strict parallel safe as $$
begin
  if a = '{}' then return b; end if;
  if b = '{}' then return a; end if;
  return (case when b[1] < a[1] then b[1:2] else a[1:2] end) || (case when b[3] > a[3] then b[3:4] else a[3:4] end)
    || (case when b[6] < a[6] then b[5:6] else a[5:6] end) || (case when b[8] > a[8] then b[7:8] else a[7:8] end);
end $$;

create or replace function tailrace.m4_step(s float8[], at timestamptz, value float8) returns float8[]
language plpgsql immutable strict parallel safe as $$
declare
  t constant float8 := round(date_part('epoch', at) * 1e6);
begin
  -- Most points of a series are its last one so far, and neither its least nor its greatest.
  if t > s[3] and t >= s[1] and value between s[6] and s[8] then
    return array[s[1], s[2], t, value, s[5], s[6], s[7], s[8]];
  end if;
  return tailrace.m4_join(s, array[t, value, t, value, t, value, t, value]);
end $$;

create or replace function tailrace.m4_final(s float8[]) returns tailrace.m4_bucket
language sql immutable strict parallel safe as $$
  select (s[2], to_timestamp(s[1] / 1e6), s[4], to_timestamp(s[3] / 1e6),
    s[6], to_timestamp(s[5] / 1e6), s[8], to_timestamp(s[7] / 1e6))::tailrace.m4_bucket
  where s <> '{}'
$$;

create or replace aggregate tailrace.m4(timestamptz, float8) (
  sfunc = tailrace.m4_step, stype = float8[], initcond = '{}', combinefunc = tailrace.m4_join,
  finalfunc = tailrace.m4_final, parallel = safe);
