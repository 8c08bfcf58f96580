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
function delimiterOf(text: string): Delimiter {
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
  if (new Set(names).size === names.length) return undefined;
  return csvFault('two of its columns have the same name');
}

/** What CSV is before its header is known. */
interface Records {
  readonly records: readonly CsvRow[];
  readonly faults: readonly Fault[];
}

/** Text without a quote: lines and delimiters are all there is. Twenty times as fast as telling quotes apart. */
function splitRecords(text: string, delimiter: Delimiter): Records {
  const records: CsvRow[] = [];
  let line = 0;
  for (let at = 0; at < text.length; ) {
    const found = text.indexOf('\n', at);
    const next = found === -1 ? text.length : found;
    const end = next > at && text[next - 1] === '\r' ? next - 1 : next;
    line++;
    if (end > at) records.push({ line, cells: text.slice(at, end).split(delimiter) });
    at = next + 1;
  }
  return { records, faults: [] };
}

function parseRecords(text: string, delimiter: Delimiter): Records | Fault {
  const faults: Fault[] = [];
  try {
    const parsed = parse(text, {
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      skip_records_with_error: true,
      on_skip: (cause) => {
        faults.push(csvFault(`line ${lineOf(cause)} has a quote where none may stand`));
        return undefined;
      },
      // The types say that records are lists, and do not know what `info` makes of them.
    }) as unknown as readonly { record: string[]; info: { lines: number } }[];
    const records = parsed.map(({ record, info }) => ({ line: info.lines, cells: record }));
    return { records, faults };
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    return csvFault(`a quote is not closed, or stands where none may, on line ${lineOf(cause)}`);
  }
}

/** Reads CSV text (RFC 4180, with any of the delimiters). */
export function readCsvTable(given: string): CsvTable | Fault {
  const text = given.charCodeAt(0) === 0xfeff ? given.slice(1) : given;
  const delimiter = delimiterOf(text);
  const read = text.includes('"') ? parseRecords(text, delimiter) : splitRecords(text, delimiter);
  if ('code' in read) return read;
  const [first, ...others] = read.records;
  if (first === undefined) return csvFault('it has no header');
  const header = first.cells.map((name) => name.trim());
  const faults = [...read.faults];
  const rows: CsvRow[] = [];
  for (const row of others) {
    if (row.cells.length === header.length) rows.push(row);
    else {
      const cells = `${row.cells.length} cells where the header has ${header.length}`;
      faults.push(csvFault(`line ${row.line} has ${cells}`));
    }
  }
  return headerFault(header) ?? { delimiter, header, rows, faults };
}

function lineOf(cause: unknown): number {
  const { lines } = cause as { lines?: unknown };
  return typeof lines === 'number' ? lines : 0;
}
