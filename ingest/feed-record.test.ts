import { expect, it } from 'vitest';
import { ROW_OUTCOME, type WriteOutcome } from '../store/readings.ts';
import { createColumns } from './columns.ts';
import { toFeedRecord } from './feed-record.ts';

const outcome = (
  rowOutcomes: readonly number[],
  refused: WriteOutcome['refused'] = [],
): WriteOutcome => ({
  inserted: 0,
  duplicate: 0,
  corrected: 0,
  refused,
  rowOutcomes: Uint8Array.from(rowOutcomes),
  late: 0,
});

function columnsOf(values: readonly (number | string)[]) {
  const columns = createColumns();
  for (const [row, value] of values.entries())
    columns.addRow(row + 1, row * 10, value, row, false, 0);
  return columns;
}

it('tells of numbers and texts, without what was refused or overruled', () => {
  const rows = columnsOf([1, 'on', '', 4, 5]).view(0, 5);
  const refused = [{ row: 3, code: '22003', reason: '' }];
  const { inserted, duplicate, corrected, overruled } = ROW_OUTCOME;
  const became = [overruled, inserted, corrected, ROW_OUTCOME.refused, duplicate];
  const record = toFeedRecord(rows, outcome(became, refused));
  expect({ ...record, seriesIds: [...record.seriesIds], timesUs: [...record.timesUs] }).toEqual({
    kind: 'readings',
    seriesIds: [2, 3, 5],
    timesUs: [10, 20, 40],
    values: ['on', '', 5],
    qualities: new Int16Array([1, 2, 4]),
  });
});

it('does not change when the columns are used again', () => {
  const columns = columnsOf([1, 2, 3]);
  const record = toFeedRecord(columns.view(1, 3), outcome([0, 0]));
  columns.clear();
  columns.addRow(9, 9, 9, 9, false, 0);
  columns.addRow(9, 9, 9, 9, false, 0);
  columns.addRow(9, 9, 9, 9, false, 0);
  expect([[...record.seriesIds], [...record.values]]).toEqual([
    [2, 3],
    [2, 3],
  ]);
});
