// What followers are told of a batch after its COMMIT.
import type { ReadingsRecord } from '../lib/feed/feed.ts';
import type { ReadingBatch, WriteOutcome } from '../store/readings.ts';

type NumericColumn = Int32Array | Float64Array | Int16Array;

/** A copy of a column without some rows; the batch's own memory is used again. */
function copyWithout<C extends NumericColumn>(column: C, omitted: ReadonlySet<number>): C {
  if (omitted.size === 0) return column.slice() as C;
  return column.filter((_value, row) => !omitted.has(row)) as C;
}

/**
 * Makes the record of the rows that stand in the table as they were sent. Duplicates are among them: their first
 * coming may have fallen into the time between a COMMIT and its feed record.
 */
export function toFeedRecord(batch: ReadingBatch, outcome: WriteOutcome): ReadingsRecord {
  const omitted = new Set([...outcome.refused.map(({ row }) => row), ...(outcome.overruled ?? [])]);
  const values =
    batch.states.length === 0
      ? copyWithout(batch.values, omitted)
      : Array.from(batch.values, (value, row) => batch.states[row] ?? value).filter(
          (_value, row) => !omitted.has(row),
        );
  return {
    kind: 'readings',
    seriesIds: copyWithout(batch.seriesIds, omitted),
    timesUs: copyWithout(batch.timesUs, omitted),
    values,
    qualities: copyWithout(batch.qualities, omitted),
  };
}
