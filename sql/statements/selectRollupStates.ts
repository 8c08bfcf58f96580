import type { Reading } from '../snapshot.ts';

const SELECT_ROLLUP_STATES = `
select name, family, level, ordinal, bucket_ms::float8 as bucket_ms,
  date_part('epoch', materialised_before) as materialised_before_s,
  date_part('epoch', kept_from) as kept_from_s
from tailrace.rollup where maintained order by ordinal`;

interface RollupRow {
  readonly name: string;
  readonly family: RollupStateRow['family'];
  readonly level: string;
  readonly ordinal: number;
  readonly bucket_ms: number;
  readonly materialised_before_s: number;
  readonly kept_from_s: number;
}

export interface RollupStateRow {
  readonly name: string;
  readonly family: 'm4' | 'path' | 'sketch';
  readonly level: string;
  readonly ordinal: number;
  readonly bucketUs: number;
  /** µs since 1970; -Infinity where nothing is materialised. */
  readonly materialisedBeforeUs: number;
  /** µs since 1970: what it is made from has been dropped before; -Infinity where nothing has. */
  readonly refreshableFromUs: number;
}

/** The maintained rollups of every family. */
export async function selectRollupStates(sql: Reading): Promise<RollupStateRow[]> {
  const rows = await sql.unsafe<RollupRow[]>(SELECT_ROLLUP_STATES);
  return rows.map((row) => ({
    name: row.name,
    family: row.family,
    level: row.level,
    ordinal: row.ordinal,
    bucketUs: row.bucket_ms * 1000,
    materialisedBeforeUs: Math.round(row.materialised_before_s * 1e6),
    refreshableFromUs: Math.round(row.kept_from_s * 1e6),
  }));
}
