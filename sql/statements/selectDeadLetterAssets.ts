import type { Reading } from '../snapshot.ts';

const SELECT_DEAD_LETTER_ASSETS = `
select distinct asset from tailrace.dead_letter where tenant = $1::text and asset is not null order by asset limit $2`;

/** The assets that a tenant's letters are for, at most `limit`. */
export async function selectDeadLetterAssets(
  sql: Pick<Reading, 'unsafe'>,
  tenant: string,
  limit: number,
): Promise<string[]> {
  const rows = await sql.unsafe<{ asset: string }[]>(SELECT_DEAD_LETTER_ASSETS, [tenant, limit]);
  return rows.map(({ asset }) => asset);
}
