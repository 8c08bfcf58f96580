-- What the stats of a rollup say, which tailrace.stats made: {count, sum, sum of squares about the mean}.
-- docs/routines.md documents it. PostgreSQL's own final functions divide without an error where little is left.

create or replace function tailrace.stats_count(stats float8[]) returns int8
language sql immutable parallel safe as $$
  select stats[1]::int8
$$;

create or replace function tailrace.stats_sum(stats float8[]) returns float8
language sql immutable parallel safe as $$
  select case when stats[1] > 0 then stats[2] end
$$;

create or replace function tailrace.stats_mean(stats float8[]) returns float8
language sql immutable parallel safe as $$
  select float8_avg(stats)
$$;

-- The population's.
create or replace function tailrace.stats_stddev(stats float8[]) returns float8
language sql immutable parallel safe as $$
  select float8_stddev_pop(stats)
$$;

-- The sample's: null for a single value.
create or replace function tailrace.stats_stddev_samp(stats float8[]) returns float8
language sql immutable parallel safe as $$
  select float8_stddev_samp(stats)
$$;
