import type { Client } from '../transaction.ts';

const SELECT_REFRESH_NEED = `
select
  (select min(date_part('epoch', materialised_before)) from tailrace.rollup where maintained and bucket_ms =
    (select min(bucket_ms) from tailrace.rollup where maintained)) as materialised_before_s,
  (select min(bucket_ms)::float8 from tailrace.rollup where maintained) as bucket_ms,
  (select count(*)::int4 from (select from tailrace.dirty_range limit $1) counted) as dirty,
  (select extract(epoch from now() - created_at)::float8 from tailrace.dirty_range order by id limit 1) as oldest_age_s`;

interface NeedRow {
  readonly materialised_before_s: number | null;
  readonly bucket_ms: number | null;
  readonly dirty: number;
  readonly oldest_age_s: number | null;
}

export interface RefreshNeed {
  /** Of the finest maintained rollup, µs since 1970; undefined where none is maintained. */
  readonly materialisedBeforeUs: number | undefined;
  readonly bucketUs: number | undefined;
  /** How many dirty ranges there are, counted up to a bound. */
  readonly dirty: number;
  /** For how long the oldest of them has been there, by the database's clock; 0 where there is none. */
  readonly oldestAgeS: number;
}

/** How far behind rollups are; cheap enough to be asked every few seconds. */
export async function selectRefreshNeed(client: Client, dirtyMax: number): Promise<RefreshNeed> {
  const { rows } = await client.query<NeedRow>(SELECT_REFRESH_NEED, [dirtyMax]);
  const row = rows[0];
  const before = row?.materialised_before_s ?? undefined;
  const bucket = row?.bucket_ms ?? undefined;
  return {
    materialisedBeforeUs: before === undefined ? undefined : Math.round(before * 1e6),
    bucketUs: bucket === undefined ? undefined : bucket * 1000,
    dirty: row?.dirty ?? 0,
    oldestAgeS: row?.oldest_age_s ?? 0,
  };
}
