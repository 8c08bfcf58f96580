// CSV as text: its delimiter, its header and its rows.
import { CsvError, parse } from 'csv-parse/sync';
import type { Fault } from './sink.ts';

const DELIMITERS = [',', ';', '\t'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

export interface CsvTable {
  readonly delimiter: Delimiter;
  readonly header: readonly string[];
  readonly rows: readonly CsvRow[];
  /** Of rows that cannot be read. */
  readonly faults: readonly Fault[];
}

export interface CsvRow {
  /** The line on which it ends, from 1. */
  readonly line: number;
  readonly cells: readonly string[];
}

/** Says what is wrong with CSV, or with a line of it. */
export function csvFault(reason: string): Fault {
  return { code: 'csv_invalid', reason: `The payload is no readable CSV: ${reason}.` };
}

/** The first line's text, as far as it has content. */
function firstLine(text: string): string {
  return /^\s*([^\r\n]*)/.exec(text)?.[1] ?? '';
}

/** The delimiter that stands most often outside quotes in the header. */
export function delimiterOf(text: string): Delimiter {
  const bare = firstLine(text).replace(/"(?:[^"]|"")*"/g, '');
  let found: Delimiter = ',';
  let most = 0;
  for (const delimiter of DELIMITERS) {
    const count = bare.split(delimiter).length - 1;
    if (count > most) {
      most = count;
      found = delimiter;
    }
  }
  return found;
}

function headerFault(header: readonly string[]): Fault | undefined {
  const names = header.filter((name) => name !== '');
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? undefined : csvFault('two of its columns have the same name');
}

/** Reads CSV text (RFC 4180, with any of the delimiters). */
export function readCsvTable(text: string): CsvTable | Fault {
  const delimiter = delimiterOf(text);
  const faults: Fault[] = [];
  let records: { record: string[]; info: { lines: number } }[];
  try {
    records = parse(text, {
      delimiter,
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (cause) => {
        faults.push(csvFault(`line ${lineOf(cause)} has a quote where none may stand`));
        return undefined;
      },
    }) as unknown as typeof records;
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    return csvFault(`a quote is not closed, or stands where none may, on line ${lineOf(cause)}`);
  }
  const first = records[0];
  if (first === undefined) return csvFault('it has no header');
  const header = first.record.map((name) => name.trim());
  const rows: CsvRow[] = [];
  for (const { record, info } of records.slice(1)) {
    if (record.length === header.length) rows.push({ line: info.lines, cells: record });
    else {
      const cells = `${record.length} cells where the header has ${header.length}`;
      faults.push(csvFault(`line ${info.lines} has ${cells}`));
    }
  }
  return headerFault(header) ?? { delimiter, header, rows, faults };
}

function lineOf(cause: unknown): number {
  const { lines } = cause as { lines?: unknown };
  return typeof lines === 'number' ? lines : 0;
}
