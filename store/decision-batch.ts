// What is written at once: as many of the waiting decisions as make a statement of a bearable size. Pure.
import { randomBytes } from 'node:crypto';
import type { DecisionRow } from '../sql/statements/insertDecisions.ts';
import type { Gap } from './decision-queue.ts';

/** A statement takes about so much text; on the embedded engine everybody else waits for it. */
const BATCH_BYTES_MAX = 1024 * 1024;

export interface Batch<D> {
  /** Rows as JSON. */
  readonly rows: readonly string[];
  /** How many of the waiting decisions are done with it. */
  readonly taken: number;
  /** Those among them of which no row could be made. */
  readonly unwritable: D[];
}

/** Makes the batch of the first decisions of `waiting`, at least of one. */
export function batchOf<D>(waiting: readonly D[], rowOf: (decision: D) => DecisionRow): Batch<D> {
  const rows: string[] = [];
  const unwritable: D[] = [];
  let taken = 0;
  let bytes = 0;
  for (const decision of waiting) {
    if (bytes > BATCH_BYTES_MAX) break;
    taken += 1;
    try {
      const row = JSON.stringify(rowOf(decision));
      bytes += row.length;
      rows.push(row);
    } catch {
      unwritable.push(decision);
    }
  }
  return { rows, taken, unwritable };
}

/** The row that tells of a gap; it stands where the gap ends. */
export function gapRow({ tenant, lost, fromMs, toMs }: Gap): DecisionRow {
  const reason = `${lost} decisions were not recorded: they came faster than they could be written`;
  return {
    id: `gap-${randomBytes(9).toString('base64url')}`,
    time_us: toMs * 1_000,
    tenant,
    subject: null,
    action: 'gap',
    allowed: false,
    revision: '',
    input: {},
    result: { reason, lost, from: fromMs, to: toMs },
    duration_us: 0,
  };
}
