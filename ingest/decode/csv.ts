// CSV with a header: a column of times, by the names that times have in other formats, and each other column a
// sub-channel; where there is a column `value` and none but the known ones, a row is one reading.
import { isUtf8 } from 'node:buffer';
import { type CsvTable, csvFault, type Delimiter, readCsvTable } from './csv-table.ts';
import { EMPTY, NO_READING, NOT_UTF8, READINGS_PER_MESSAGE_MAX, TOO_MANY } from './faults.ts';
import { type Roles, rolesOf } from './fields.ts';
import { bufferOf } from './numbers.ts';
import type { Decoder, Fault, ReadContext, ReadingSink } from './sink.ts';
import { isNumberText } from './time.ts';
import { pushKey, pushValue, qualityOf, timeFault, timeOf } from './values.ts';

const DECIMAL_COMMA = /^\s*[-+]?\d*,\d+(?:[eE][-+]?\d+)?\s*$/;

/** What a cell holds: nothing, or its text, with a point for the comma where commas do not separate. */
function cellOf(cell: string, delimiter: Delimiter): string | null {
  const text = cell.trim();
  if (text === '') return null;
  return delimiter === ';' && DECIMAL_COMMA.test(text) ? text.replace(',', '.') : text;
}

/** The roles of columns; capitals do not matter in the names that have a meaning. */
function columnRoles(header: readonly string[]): Roles {
  const roles = rolesOf(header.map((name) => name.toLowerCase()));
  // There is no object within a row.
  return { ...roles, values: -1 };
}

/** Reads one row. */
function pushRow(
  sink: ReadingSink,
  { header, delimiter }: CsvTable,
  roles: Roles,
  line: number,
  cells: readonly string[],
  context: ReadContext,
): void {
  const at = (index: number) => (index === -1 ? null : cellOf(cells[index] as string, delimiter));
  for (const part of ['tenant', 'asset'] as const) {
    const named = at(roles[part]);
    if (named !== null && named !== context[part]) {
      const reason = `Line ${line} names another ${part} than its topic.`;
      sink.fault({ code: 'payload_names_other', reason });
      return;
    }
  }
  const timeUs = timeOf(at(roles.time), context.defaultTimeUs, context);
  const found = timeFault(timeUs, context);
  const fault: Fault | undefined =
    found === undefined ? undefined : { code: found.code, reason: `Line ${line}: ${found.reason}` };
  if (roles.isPoint) {
    pushValue(sink, '', timeUs, fault, at(roles.value), qualityOf(at(roles.quality)));
    return;
  }
  header.forEach((name, index) => {
    if (index !== roles.time) pushKey(sink, name, timeUs, fault, at(index), 0);
  });
}

/** Decodes CSV. */
export const decodeCsv: Decoder = (payload, context, sink) => {
  if (payload.length === 0) return EMPTY;
  if (!isUtf8(payload)) return NOT_UTF8;
  const table = readCsvTable(bufferOf(payload).toString('utf8'));
  if ('code' in table) return table;
  const { header, rows, faults } = table;
  const roles = columnRoles(header);
  if (rows.length + faults.length === 0) return NO_READING;
  if (header.length === 1 && roles.time === 0) return NO_READING;
  if (roles.time === -1 && rows.length > 1) {
    return csvFault(
      'it has several rows, and no column ts, time, timestamp or t to tell them apart',
    );
  }
  const perRow = roles.isPoint ? 1 : header.length - (roles.time === -1 ? 0 : 1);
  if (rows.length * perRow + faults.length > READINGS_PER_MESSAGE_MAX) return TOO_MANY;
  for (const { line, cells } of rows) pushRow(sink, table, roles, line, cells, context);
  for (const fault of faults) sink.fault(fault);
  return undefined;
};

/** A longer first line is no header that anybody wrote. */
const HEADER_LENGTH_MAX = 65_536;

/**
 * Whether text may be CSV: a header of names with a time or a value among them; or any names, and a row below that is
 * as long and has a number in it.
 */
export function looksLikeCsv(text: string): boolean {
  // Two lines are enough to tell.
  const [head, row] = linesOf(text);
  if (head === undefined || head.length > HEADER_LENGTH_MAX) return false;
  const titles = readCsvTable(`${head}\n`);
  if ('code' in titles || titles.header.length < 2) return false;
  const { header } = titles;
  if (header.some((name) => name === '' || isNumberText(name))) return false;
  const roles = columnRoles(header);
  if (roles.time !== -1 || roles.isPoint) return true;
  const table = row === undefined ? titles : readCsvTable(`${head}\n${row}\n`);
  if ('code' in table || table.rows.length !== 1) return false;
  const cells = table.rows[0]?.cells ?? [];
  return cells.some((cell) => isNumberText(cellOf(cell, table.delimiter) ?? ''));
}

function linesOf(text: string): readonly string[] {
  const lines: string[] = [];
  let at = 0;
  while (lines.length < 2 && at < text.length) {
    const end = text.indexOf('\n', at);
    const line = text.slice(at, end === -1 ? text.length : end).trim();
    if (line !== '') lines.push(line);
    at = end === -1 ? text.length : end + 1;
  }
  return lines;
}
