-- What could not be stored, and what was decided.

-- One row for each message and reason. payload holds the message's own bytes, so that nothing undecodable is lost;
-- readings says how many of its readings this row stands for (1 where none could be told apart).
create table tailrace.dead_letter (
  id                   int8 generated always as identity,
  received_at          timestamptz not null,
  tenant               text,
  topic                text not null,
  content_type         text,
  code                 text not null,
  reason               text not null,
  payload              bytea not null,
  readings             int4 not null default 1,
  replay_requested_at  timestamptz,
  replayed_at          timestamptz,
  outcome              text check (outcome in ('inserted', 'duplicate', 'corrected', 'dead_lettered', 'ignored'))
);
select create_hypertable('tailrace.dead_letter', by_range('received_at', interval '7 days'));
create index dead_letter_id on tailrace.dead_letter (id);
create index dead_letter_replay on tailrace.dead_letter (replay_requested_at)
  where replay_requested_at is not null and replayed_at is null;

create table tailrace.decision (
  id           text not null,
  time         timestamptz not null,
  tenant       text,
  subject      text,
  action       text not null,
  allowed      boolean not null,
  revision     text not null,
  input        jsonb not null,
  result       jsonb not null,
  duration_us  float8 not null
);
select create_hypertable('tailrace.decision', by_range('time', interval '1 day'));
create index decision_id on tailrace.decision (id);
