// What followers are told of a batch after its COMMIT.
import type { ReadingsRecord } from '../lib/feed/feed.ts';
import { type ReadingBatch, ROW_OUTCOME, type WriteOutcome } from '../store/readings.ts';

type NumericColumn = Int32Array | Float64Array | Int16Array;

/** Refused rows are not in the table, overruled ones not as they were sent. */
const isTold = (outcome: number | undefined) =>
  outcome !== ROW_OUTCOME.refused && outcome !== ROW_OUTCOME.overruled;

/** A copy of what is told of a column; the batch's own memory is used again. */
function copyTold<C extends NumericColumn>(column: C, outcomes: Uint8Array, tellsAll: boolean): C {
  if (tellsAll) return column.slice() as C;
  return column.filter((_value, row) => isTold(outcomes[row])) as C;
}

/**
 * Makes the record of the rows that stand in the table as they were sent. Duplicates are among them: their first
 * coming may have fallen into the time between a COMMIT and its feed record.
 */
export function toFeedRecord(batch: ReadingBatch, outcome: WriteOutcome): ReadingsRecord {
  const { rowOutcomes } = outcome;
  const tellsAll = rowOutcomes.every(isTold);
  const values =
    batch.states.length === 0
      ? copyTold(batch.values, rowOutcomes, tellsAll)
      : Array.from(batch.values, (value, row) => batch.states[row] ?? value).filter((_value, row) =>
          isTold(rowOutcomes[row]),
        );
  return {
    kind: 'readings',
    seriesIds: copyTold(batch.seriesIds, rowOutcomes, tellsAll),
    timesUs: copyTold(batch.timesUs, rowOutcomes, tellsAll),
    values,
    qualities: copyTold(batch.qualities, rowOutcomes, tellsAll),
  };
}
