import type { Client } from '../transaction.ts';

const SELECT_MAINTAINED_ROLLUPS = `
select name, ordinal, bucket_ms::float8 as bucket_ms,
  date_part('epoch', materialised_before) as materialised_before_s,
  date_part('epoch', refreshable_from) as refreshable_from_s
from tailrace.rollup where maintained order by ordinal`;

interface RollupRow {
  readonly name: string;
  readonly ordinal: number;
  readonly bucket_ms: number;
  readonly materialised_before_s: number;
  readonly refreshable_from_s: number;
}

export interface MaintainedRollup {
  /** Name of the continuous aggregate in the schema tailrace. */
  readonly name: string;
  readonly ordinal: number;
  readonly bucketUs: number;
  /** µs since 1970; -Infinity where nothing is materialised. */
  readonly materialisedBeforeUs: number;
  /** Nothing is refreshed before it: its source is no longer held there. -Infinity where all of it is. */
  readonly refreshableFromUs: number;
}

/** The rollups that are kept up, each after those it is made from. */
export async function selectMaintainedRollups(client: Client): Promise<MaintainedRollup[]> {
  const { rows } = await client.query<RollupRow>(SELECT_MAINTAINED_ROLLUPS);
  return rows.map((row) => ({
    name: row.name,
    ordinal: row.ordinal,
    bucketUs: row.bucket_ms * 1000,
    materialisedBeforeUs: Math.round(row.materialised_before_s * 1e6),
    refreshableFromUs: Math.round(row.refreshable_from_s * 1e6),
  }));
}
