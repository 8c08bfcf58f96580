import type { Client } from '../transaction.ts';
import { REVOCATION_COLUMNS, type RevocationRow } from './selectRevocations.ts';

// Revoked again: the later time covers the tokens of the earlier one, and it is remembered until all of them are over.
const INSERT_REVOCATION = `
insert into tailrace.revocation as known (tenant, target, name, revoked_at, expires_at, revoked_by)
select $1::text, $2::text, $3::text, timestamptz 'epoch' + $4::float8 * interval '1 millisecond',
  timestamptz 'epoch' + $5::float8 * interval '1 millisecond', $6::text
where exists (select from tailrace.revocation where tenant = $1 and target = $2 and name = $3)
  or ((select count(*) from tailrace.revocation) < $7::int8
    and (select count(*) from tailrace.revocation where tenant = $1) < $8::int8)
on conflict (tenant, target, name) do update set
  revoked_at = greatest(known.revoked_at, excluded.revoked_at),
  expires_at = case when known.expires_at is null or excluded.expires_at is null then null
    else greatest(known.expires_at, excluded.expires_at) end,
  revoked_by = excluded.revoked_by,
  written_at = now()
returning ${REVOCATION_COLUMNS}`;

export interface RevocationToInsert {
  readonly tenant: string;
  readonly target: 'subject' | 'token';
  readonly name: string;
  /** ms since 1970 UTC. */
  readonly revokedAtMs: number;
  readonly expiresAtMs: number | undefined;
  readonly revokedBy: string;
}

/** Keeps a revocation; undefined where there are as many as may be, in all or of the tenant. */
export async function insertRevocation(
  client: Client,
  revocation: RevocationToInsert,
  bounds: { readonly max: number; readonly tenantMax: number },
): Promise<RevocationRow | undefined> {
  const { tenant, target, name, revokedAtMs, expiresAtMs = null, revokedBy } = revocation;
  const values = [tenant, target, name, revokedAtMs, expiresAtMs, revokedBy];
  const { rows } = await client.query<RevocationRow>(INSERT_REVOCATION, [
    ...values,
    bounds.max,
    bounds.tenantMax,
  ]);
  return rows[0];
}
