import type { Client } from '../transaction.ts';

/** Times as ms since 1970 UTC. */
export const REVOCATION_COLUMNS = `
  id::float8 as id, tenant, target, name, (extract(epoch from revoked_at) * 1000)::float8 as revoked_at_ms,
  (extract(epoch from expires_at) * 1000)::float8 as expires_at_ms, revoked_by`;

const SELECT_REVOCATIONS = `
select ${REVOCATION_COLUMNS} from tailrace.revocation`;

const SELECT_WRITTEN_LATELY = `${SELECT_REVOCATIONS} where written_at > now() - interval '10 minutes'`;

const SELECT_OF_TENANT = `${SELECT_REVOCATIONS}
where tenant = $1::text and id < $2::int8 order by id desc limit $3::int8`;

export interface RevocationRow {
  readonly id: number;
  readonly tenant: string;
  readonly target: 'subject' | 'token';
  readonly name: string;
  readonly revoked_at_ms: number;
  readonly expires_at_ms: number | null;
  readonly revoked_by: string;
}

/** All there are. */
export async function selectRevocations(client: Client): Promise<RevocationRow[]> {
  return (await client.query<RevocationRow>(SELECT_REVOCATIONS)).rows;
}

/** Those written within ten minutes, by the database's clock. */
export async function selectRevocationsWrittenLately(client: Client): Promise<RevocationRow[]> {
  return (await client.query<RevocationRow>(SELECT_WRITTEN_LATELY)).rows;
}

/** A tenant's, the newest first, with ids below `before`. */
export async function selectRevocationsOfTenant(
  client: Client,
  tenant: string,
  before: number,
  limit: number,
): Promise<RevocationRow[]> {
  return (await client.query<RevocationRow>(SELECT_OF_TENANT, [tenant, before, limit])).rows;
}
