// Keeps the number of dirty ranges bounded, whatever a backfill is shaped like: where there are too many, marks of one
// series are joined over wider gaps, and writers are told to join theirs likewise. At the widest there is one a series.
import { countDirtyRanges } from '../sql/statements/countDirtyRanges.ts';
import { joinDirtyRanges } from '../sql/statements/joinDirtyRanges.ts';
import { moveMarkGap, selectMarkGap } from '../sql/statements/markGap.ts';
import type { Client } from '../sql/transaction.ts';
import { GAP_MAX_US } from './dirty-ranges.ts';

/** Marks there may be, or one a series where that is more. Between two claims writers may add some beyond it. */
export const DIRTY_RANGES_MAX = 100_000;
/** Joining goes on until there is room again, and writers go back to narrow marks when most of it is free. */
const JOINED_SHARE = 0.5;
const NARROW_SHARE = 0.1;
const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;
/** A gap that no two readings have. */
const GAP_WIDEST_US = 36_500 * DAY_US;
const GAPS_US = [HOUR_US, 8 * HOUR_US, 3 * DAY_US, 30 * DAY_US, GAP_WIDEST_US];

/** For the refresher, in the transaction that claims: no writer may be at work. */
export async function boundDirtyRanges(client: Client, max = DIRTY_RANGES_MAX): Promise<void> {
  const gapUs = await selectMarkGap(client);
  let count = await countDirtyRanges(client, max + 1);
  if (count <= max) {
    if (gapUs > GAP_MAX_US && count <= max * NARROW_SHARE) await moveMarkGap(client, GAP_MAX_US);
    return;
  }
  for (const widerUs of GAPS_US.filter((candidateUs) => candidateUs >= gapUs)) {
    await joinDirtyRanges(client, widerUs);
    await moveMarkGap(client, widerUs);
    count = await countDirtyRanges(client, max + 1);
    if (count <= max * JOINED_SHARE) return;
  }
}
