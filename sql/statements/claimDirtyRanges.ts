import type { Client } from '../transaction.ts';

const CLAIM_DIRTY_RANGES = `
update tailrace.dirty_range set claimed = true
where id in (select id from tailrace.dirty_range order by start_time desc limit $1)
returning id::text, refreshed, date_part('epoch', start_time) as start_s, date_part('epoch', end_time) as end_s`;

export interface DirtyClaim {
  /** An int8 as text. */
  readonly id: string;
  /** Half-open; µs since 1970 UTC. */
  readonly startUs: number;
  readonly endUs: number;
  /** Rollups up to this ordinal have been refreshed since. */
  readonly refreshed: number;
}

interface ClaimRow {
  readonly id: string;
  readonly refreshed: number;
  readonly start_s: number;
  readonly end_s: number;
}

/**
 * Claims the newest dirty ranges, at most `max`, those of an earlier refresher that did not finish among them. From
 * now on a writer that dirties one of them adds a mark of its own.
 */
export async function claimDirtyRanges(client: Client, max: number): Promise<DirtyClaim[]> {
  const { rows } = await client.query<ClaimRow>(CLAIM_DIRTY_RANGES, [max]);
  return rows.map(({ id, refreshed, start_s, end_s }) => ({
    id,
    refreshed,
    startUs: Math.round(start_s * 1e6),
    endUs: Math.round(end_s * 1e6),
  }));
}
