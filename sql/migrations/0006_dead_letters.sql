-- Dead letters that are listed, replayed and bounded.

-- asset is what the topic's rule named: letters of a topic without one are only for who may see all of a tenant.
-- properties are the message's own beside its payload (MQTT 5), which say its time after store and forward.
-- size_bytes is what the letter takes in the account below. A replay is claimed by an ingester until claimed_until;
-- what is claimed longer belongs to one that is dead.
alter table tailrace.dead_letter
  add column asset text,
  add column properties jsonb,
  add column size_bytes int8 not null default 0,
  add column outcomes jsonb,
  add column attempts int4 not null default 0,
  add column claimed_by text,
  add column claimed_until timestamptz;
update tailrace.dead_letter set size_bytes = octet_length(payload) + octet_length(topic) + octet_length(reason) + 300;

-- How many letters there are and how large they are, in the days of their receipt (UTC): counting them would read all.
create table tailrace.dead_letter_day (
  day      date primary key,
  letters  int8 not null,
  bytes    int8 not null
) with (fillfactor = 50);
insert into tailrace.dead_letter_day
select (received_at at time zone 'utc')::date, count(*), sum(size_bytes) from tailrace.dead_letter group by 1;

-- How often replays were asked for. Ingesters look at this one row every second, and at the letters only when it has
-- changed: to look through the chunks of a month takes the embedded engine 20 ms.
create table tailrace.dead_letter_request (
  one    boolean primary key default true check (one),
  count  int8 not null default 0
) with (fillfactor = 50);
insert into tailrace.dead_letter_request default values;

-- Pages go by time and id within a tenant. Names that are too long for an index are no tenant's and are not kept.
create index dead_letter_tenant_time on tailrace.dead_letter (tenant, received_at desc, id desc);

-- What is over is removed row by row, the oldest first; a chunk that is empty then is dropped. Shorter ones are empty
-- sooner.
select set_chunk_time_interval('tailrace.dead_letter', interval '1 day');
