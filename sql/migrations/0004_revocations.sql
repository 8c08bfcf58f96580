-- Tokens that are over before their time: one by its id, or all of a subject that were issued until then.

-- expires_at says when no such token can be left, and the row goes; null where nobody knows. written_at is of the
-- database's clock: what other processes wrote lately is found by it.
create table tailrace.revocation (
  id          int8 generated always as identity primary key,
  tenant      text not null,
  target      text not null check (target in ('subject', 'token')),
  name        text not null,
  revoked_at  timestamptz not null,
  expires_at  timestamptz,
  revoked_by  text not null,
  written_at  timestamptz not null default now(),
  unique (tenant, target, name)
);
create index revocation_list on tailrace.revocation (tenant, id desc);
create index revocation_written on tailrace.revocation (written_at);
create index revocation_expiry on tailrace.revocation (expires_at) where expires_at is not null;
