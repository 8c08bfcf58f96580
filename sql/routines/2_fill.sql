-- What stands in buckets without points. docs/routines.md documents it.

create or replace function tailrace.later(earlier anyelement, later anyelement) returns anyelement
language plpgsql immutable strict parallel safe as $$
begin
  return later;
end $$;

-- The last value that is not null, up to this row: over (order by t). Being strict, the step is not called for nulls.
create or replace aggregate tailrace.locf(anyelement) (sfunc = tailrace.later, stype = anyelement);

-- The value at `at` on the straight line between two points; null where one of them is missing.
create or replace function tailrace.interpolate(at timestamptz, t_before timestamptz, before float8,
  t_after timestamptz, after float8)
returns float8
language sql immutable parallel safe as $$
  select case when t_before = t_after or abs(after - before) <= 1e-280 then before else before + (after - before)
    * (date_part('epoch', at - t_before) / date_part('epoch', t_after - t_before)) end
$$;
