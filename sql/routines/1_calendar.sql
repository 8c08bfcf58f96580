-- Buckets of time, as ranges have them: multiples of a length since 1970 UTC, or days, weeks and months of a time zone.
-- Days are counted from 1970-01-01, weeks from Monday 1970-01-05, months from January 1970. docs/routines.md documents
-- what users may call; the rest may change.

create or replace function tailrace.is_months(step interval) returns boolean
language sql immutable parallel safe as $$
  select extract(month from step) <> 0 or extract(year from step) <> 0
$$;

-- What is as long as days begins where they do, so 24 hours are a day; PostgreSQL knows no weeks, so 7 days are one.
create or replace function tailrace.is_calendar(step interval) returns boolean
language sql immutable parallel safe as $$
  select tailrace.is_months(step) or extract(epoch from step)::numeric % 86400 = 0
$$;

create or replace function tailrace.require_calendar(step interval) returns void
language plpgsql immutable parallel safe as $$
begin
  if tailrace.is_months(step) and extract(epoch from step - date_trunc('month', step)) <> 0 or step <= interval '0' then
    raise exception 'step % is neither a length of time nor whole days, weeks or months', step
      using errcode = 'invalid_parameter_value', hint = 'For example interval ''15 minutes'', ''1 day'', ''1 month''.';
  end if;
end $$;

-- The first date of the bucket that a date belongs to, and of the bucket `later` after it. Of step it is known that it is
-- whole days or whole months.
create or replace function tailrace.bucket_date(step interval, day date, later int4) returns date
language plpgsql immutable parallel safe as $$
declare
  n int4 := date_part('year', step) * 12 + date_part('month', step);
  i int4;
begin
  if n > 0 then
    i := (date_part('year', day) - 1970) * 12 + date_part('month', day) - 1;
    i := i - (i % n + n) % n + later * n;
    return make_date(1970 + (i - (i % 12 + 12) % 12) / 12, (i % 12 + 12) % 12 + 1, 1);
  end if;
  n := date_part('epoch', step) / 86400;
  i := day - case when n % 7 = 0 then date '1970-01-05' else date '1970-01-01' end;
  return day - (i % n + n) % n + later * n;
end $$;

-- The first moment of a date. Where a clock goes back over midnight there are two of them, of which PostgreSQL takes the
-- later: the clock of half a day before tells the earlier one.
create or replace function tailrace.start_of_day(day date, tz text) returns timestamptz
language plpgsql immutable parallel safe as $$
declare
  midnight constant timestamp := day;
  found constant timestamptz := midnight at time zone tz;
  before constant timestamptz := found - interval '12 hours';
  earlier constant timestamptz := before + (midnight - (before at time zone tz));
begin
  if earlier < found and (earlier at time zone tz) >= midnight then return earlier; end if;
  return found;
end $$;

create or replace function tailrace.calendar_bucket(step interval, at timestamptz, tz text) returns timestamptz
language plpgsql immutable strict parallel safe as $$
declare
  local_time timestamp;
  day date;
  start timestamptz;
  next timestamptz;
begin
  if not isfinite(at) then return at; end if;
  if step <> interval '1 day' then perform tailrace.require_calendar(step); end if;
  local_time := at at time zone tz;
  day := case when step = interval '1 day' then local_time::date
    else tailrace.bucket_date(step, local_time::date, 0) end;
  start := day::timestamp at time zone tz;
  -- As good as always: no clock has changed shortly before the bucket's start, and its end is some hours away.
  if local_time::time < time '21:00' and (start - interval '3 hours') at time zone tz = day::timestamp - interval '3 hours'
  then return start;
  end if;
  start := tailrace.start_of_day(day, tz);
  -- Where a clock goes back over midnight, a time may be in the day before and yet after the next one's beginning.
  next := tailrace.start_of_day(tailrace.bucket_date(step, day, 1), tz);
  return case when next <= at then next else start end;
end $$;

-- Inlined into the caller's query: with a constant step and UTC the planner leaves one of these three, the first two of
-- them a single call of a function in C.
create or replace function tailrace.bucket(step interval, at timestamptz, tz text default 'UTC') returns timestamptz
language sql immutable parallel safe as $$
  select case
    when not tailrace.is_calendar(step) then date_bin(step, at, timestamptz '1970-01-01 00:00:00+00')
    when tz = 'UTC' and not tailrace.is_months(step) then date_bin(step, at, case
      when extract(epoch from step)::numeric % 604800 = 0 then timestamptz '1970-01-05 00:00:00+00'
      else timestamptz '1970-01-01 00:00:00+00' end)
    else tailrace.calendar_bucket(step, at, tz) end
$$;

-- Starts of the buckets that touch [start, "end"), in order.
create or replace function tailrace.gapfill(start timestamptz, "end" timestamptz, step interval, tz text default 'UTC')
returns setof timestamptz
language plpgsql immutable strict parallel safe rows 1000 as $$
declare
  at timestamptz := tailrace.bucket(step, start, tz);
  day date;
  next timestamptz;
begin
  if not (isfinite(start) and isfinite("end")) then
    raise exception 'gapfill wants a finite start and end' using errcode = 'invalid_parameter_value';
  end if;
  if start >= "end" then return; end if;
  if not tailrace.is_calendar(step) then
    -- Days among its units would be those of the session's time zone.
    return query select generate_series(at, "end" - interval '1 microsecond',
      make_interval(secs => extract(epoch from step)::float8));
    return;
  end if;
  -- A day may begin at one o'clock, but a bucket's first date is its own.
  day := (at at time zone tz)::date;
  while at < "end" loop
    day := tailrace.bucket_date(step, day, 1);
    next := tailrace.start_of_day(day, tz);
    -- A day that a zone has skipped has no length.
    if next > at then
      return next at;
      at := next;
    end if;
  end loop;
end $$;
