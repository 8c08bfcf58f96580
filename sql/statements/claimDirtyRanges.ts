import type { Client } from '../transaction.ts';

// No writer is at work meanwhile, so both parts see the same marks.
const CLAIM_DIRTY_RANGES = `
with newest as (
  select id, series_id, start_time, end_time, claimed from tailrace.dirty_range order by start_time desc limit $1
), claiming as (
  update tailrace.dirty_range set claimed = true where id in (select id from newest where not claimed)
)
select id::text, series_id, date_part('epoch', start_time) as start_s, date_part('epoch', end_time) as end_s
from newest`;

export interface DirtyClaim {
  /** An int8 as text. */
  readonly id: string;
  readonly seriesId: number;
  /** Half-open; µs since 1970 UTC. */
  readonly startUs: number;
  readonly endUs: number;
}

interface ClaimRow {
  readonly id: string;
  readonly series_id: number;
  readonly start_s: number;
  readonly end_s: number;
}

/**
 * Claims the newest dirty ranges, at most `max`, those of an earlier run that did not finish among them. From now on a
 * writer that dirties one of them adds a mark of its own.
 */
export async function claimDirtyRanges(client: Client, max: number): Promise<DirtyClaim[]> {
  const { rows } = await client.query<ClaimRow>(CLAIM_DIRTY_RANGES, [max]);
  return rows.map(({ id, series_id, start_s, end_s }) => ({
    id,
    seriesId: series_id,
    startUs: Math.round(start_s * 1e6),
    endUs: Math.round(end_s * 1e6),
  }));
}
