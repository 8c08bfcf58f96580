// Columns instead of rows: {"ts":[…],"<key>":[…]}, each key a sub-channel; {"ts":[…],"value":[…]} is the topic's own
// channel. What stands beside the columns alone is the same in every row.
import { COLUMN_LENGTH, namesOther } from './faults.ts';
import { type Extent, type Fields, fieldsOf, type Roles } from './fields.ts';
import type { Fault, ReadContext, ReadingSink } from './sink.ts';
import { pushKey, pushValue, qualityOf, timeFault, timeOf } from './values.ts';

/** What all columns of a payload have in common, row by row. */
interface Rows {
  readonly timesUs: readonly number[];
  /** What is wrong with a row, if something is: with its time, or with the tenant or asset that it names. */
  readonly faults: readonly (Fault | undefined)[];
  quality(row: number): number;
}

/** A column's value in a row; a column that is no list is the same everywhere. */
function at(column: unknown, row: number): unknown {
  return Array.isArray(column) ? column[row] : column;
}

function rowsOf({ values }: Fields, roles: Roles, context: ReadContext): Rows {
  const times = values[roles.time] as readonly unknown[];
  const timesUs = times.map((time) => timeOf(time, context.defaultTimeUs, context));
  const qualities = roles.quality === -1 ? undefined : values[roles.quality];
  return {
    timesUs,
    faults: timesUs.map((timeUs, row) => {
      for (const part of ['tenant', 'asset'] as const) {
        const named = roles[part] === -1 ? undefined : at(values[roles[part]], row);
        if (typeof named === 'string' && named !== context[part]) return namesOther(part);
      }
      return timeFault(timeUs, context);
    }),
    quality: (row) => qualityOf(at(qualities, row)),
  };
}

interface Column {
  /** Undefined for the topic's own channel. */
  readonly key: string | undefined;
  readonly values: unknown;
  readonly hasQuality: boolean;
}

/** What of an object is read as columns. */
function columnsOf(fields: Fields, roles: Roles): Column[] {
  if (roles.isPoint) {
    return [{ key: undefined, values: fields.values[roles.value], hasQuality: true }];
  }
  const nested = roles.values === -1 ? undefined : fieldsOf(fields.values[roles.values]);
  const columns: Column[] = [];
  nested?.keys.forEach((key, index) => {
    columns.push({ key, values: nested.values[index], hasQuality: true });
  });
  fields.keys.forEach((key, index) => {
    if (index === roles.time) return;
    if (nested !== undefined && (index === roles.values || index === roles.quality)) return;
    columns.push({ key, values: fields.values[index], hasQuality: false });
  });
  return columns;
}

/** How much the columns of an object whose time is a list come to. */
export function columnsExtent(fields: Fields, roles: Roles): Extent {
  const rows = (fields.values[roles.time] as readonly unknown[]).length;
  let readings = 0;
  let repeatedText = 0;
  for (const { values } of columnsOf(fields, roles)) {
    readings += Array.isArray(values) ? values.length : rows;
    if (typeof values === 'string') repeatedText += rows * values.length;
  }
  return { readings, repeatedText };
}

/** Reads a column. Gives back how many readings it held. */
function pushColumn(
  sink: ReadingSink,
  { key, values: column, hasQuality }: Column,
  rows: Rows,
): number {
  const { timesUs, faults, quality } = rows;
  if (Array.isArray(column) && column.length !== timesUs.length) {
    for (const _ of column) sink.fault(COLUMN_LENGTH);
    return column.length;
  }
  for (let row = 0; row < timesUs.length; row++) {
    const q = hasQuality ? quality(row) : 0;
    if (key === undefined) {
      pushValue(sink, '', timesUs[row] as number, faults[row], at(column, row), q);
    } else pushKey(sink, key, timesUs[row] as number, faults[row], at(column, row), q);
  }
  return timesUs.length;
}

/** Reads an object whose time is a list. Gives back how many readings it held. */
export function pushColumns(
  sink: ReadingSink,
  fields: Fields,
  roles: Roles,
  context: ReadContext,
): number {
  const rows = rowsOf(fields, roles, context);
  let readings = 0;
  for (const column of columnsOf(fields, roles)) readings += pushColumn(sink, column, rows);
  return readings;
}
