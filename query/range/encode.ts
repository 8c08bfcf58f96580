// Writes a range's answer: JSON by hand, because JSON.stringify over arrays of floats took three times as long, and
// the others from the same tables.
import { pack } from 'msgpackr';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import type { RangeAnswer } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import type { Cells, Column, SeriesTable } from './table.ts';
import { formatTime } from './times.ts';

export interface Answered {
  readonly answer: RangeAnswer;
  readonly tables: readonly SeriesTable[];
  readonly grant: Grant;
  readonly next: string | undefined;
  readonly stepMs: number | null;
}

const msOf = (us: number): number => us / 1_000;

/** JSON has a negative zero and no NaN; `join` writes neither right. */
function needsCare(cells: Float64Array): boolean {
  for (const cell of cells) if (Number.isNaN(cell) || (cell === 0 && 1 / cell < 0)) return true;
  return false;
}

/** A number as JSON and CSV write it; JSON has a negative zero and no NaN. */
export function numberText(cell: number): string {
  if (Number.isNaN(cell)) return 'null';
  return Object.is(cell, -0) ? '-0' : String(cell);
}

function cellsText(column: Column): string {
  const { cells } = column;
  if (!(cells instanceof Float64Array)) {
    if (column.kind !== 'json') return JSON.stringify(cells);
    return `[${cells.map((cell) => cell ?? 'null').join(',')}]`;
  }
  const numbers = column.kind === 'time' ? cells.map(msOf) : cells;
  if (!needsCare(numbers)) return `[${numbers.join(',')}]`;
  return `[${Array.from(numbers, numberText).join(',')}]`;
}

/** The members of an answer that stand beside its series. */
function frameOf({ answer, grant, next, stepMs }: Answered) {
  return {
    range: {
      start: msOf(answer.startUs),
      end: msOf(answer.endUs),
      step_ms: stepMs,
      level: answer.level,
      segments: answer.segments.map(({ level, startUs, endUs }) => ({
        level,
        start: msOf(startUs),
        end: msOf(endUs),
      })),
      complete: answer.complete,
    },
    cursor: encodeCursor(answer.position),
    // Left out of the answer where it is undefined.
    next,
    policy: {
      revision: grant.revision,
      decision_id: grant.decisionId,
      obligations: grant.obligations,
    },
  };
}

/** What an answer's ETag stands for: all of it but the cursor and the decision's id, which are new each time. */
export function rangeEtag(answered: Answered, series: string): string {
  const { range, next, policy } = frameOf(answered);
  const { revision, obligations } = policy;
  return JSON.stringify([range, next, revision, obligations]) + series;
}

/** What is said of a series; it is redacted already, where its name was looked up. */
function headOf({ id, asset, channel, labels, unit }: Series) {
  return { id, asset, channel, labels, unit };
}

function seriesText({ series, columns }: SeriesTable): string {
  const head = JSON.stringify(headOf(series)).slice(0, -1);
  const cells = columns.map((column) => `,${JSON.stringify(column.name)}:${cellsText(column)}`);
  return `${head}${cells.join('')}}`;
}

/** The series of an answer as JSON. */
export function seriesJson(answered: Answered): string {
  return `[${answered.tables.map(seriesText).join(',')}]`;
}

/** The answer as a JSON object, around series that `seriesJson` wrote. */
export function rangeJson(answered: Answered, series: string): string {
  const { range, ...rest } = frameOf(answered);
  return `{"range":${JSON.stringify(range)},"series":${series},${JSON.stringify(rest).slice(1)}`;
}

function plainCells({ kind, cells }: Column): unknown[] {
  if (!(cells instanceof Float64Array)) {
    return kind === 'json' ? cells.map((cell) => JSON.parse(cell ?? 'null')) : [...cells];
  }
  return Array.from(cells, (cell) => {
    if (Number.isNaN(cell)) return null;
    return kind === 'time' ? msOf(cell) : cell;
  });
}

/** The answer as a value of the same shape as its JSON, for MessagePack. */
export function rangeValue(answered: Answered): Record<string, unknown> {
  const { range, ...rest } = frameOf(answered);
  const series = answered.tables.map((table) => ({
    ...headOf(table.series),
    ...Object.fromEntries(table.columns.map((column) => [column.name, plainCells(column)])),
  }));
  const { next, ...members } = rest;
  return { range, series, ...members, ...(next === undefined ? {} : { next }) };
}

/** The answer as MessagePack. */
export function rangeMsgpack(answered: Answered): Uint8Array {
  return pack(rangeValue(answered));
}

/** Names of the columns of all series, in the order in which they first come, `q` last. */
export function columnNames(tables: readonly SeriesTable[]): string[] {
  const names = new Set(tables.flatMap((table) => table.columns.map((column) => column.name)));
  return names.delete('q') ? [...names, 'q'] : [...names];
}

/** A text as a cell of CSV. */
export const csvText = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

function csvCell(kind: Column['kind'], cell: Cells[number] | undefined): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'string') return csvText(cell);
  if (Number.isNaN(cell)) return '';
  return kind === 'time' ? formatTime(cell) : numberText(cell);
}

/** Rows of a table: what stands before the cells, then one cell a column; an absent column is empty. */
function* rowsOf<T>(
  { columns }: SeriesTable,
  names: readonly string[],
  write: (columns: readonly (Column | undefined)[], row: number) => T,
): Generator<T> {
  const inOrder = names.map((name) => columns.find((column) => column.name === name));
  const length = columns[0]?.cells.length ?? 0;
  for (let row = 0; row < length; row += 1) yield write(inOrder, row);
}

/** Comma-separated with a header; `series` is the id, times are RFC 3339, an empty cell is none. */
export function rangeCsv(tables: readonly SeriesTable[], names = columnNames(tables)): string {
  const header = ['series', 'asset', 'channel', ...names].join(',');
  const lines = tables.flatMap((table) => {
    const { id, asset, channel } = table.series;
    const head = `${id},${csvText(asset)},${csvText(channel)}`;
    return [
      ...rowsOf(table, names, (columns, row) => {
        const cells = columns.map((column) => csvCell(column?.kind ?? 'value', column?.cells[row]));
        return `${head},${cells.join(',')}`;
      }),
    ];
  });
  return `${[header, ...lines].join('\n')}\n`;
}

/** One JSON object a line, with the names of the CSV and times in ms. */
export function rangeNdjson(tables: readonly SeriesTable[]): string {
  const lines = tables.flatMap((table) => {
    const { id, asset, channel } = table.series;
    const head = JSON.stringify({ series: id, asset, channel }).slice(0, -1);
    const names = table.columns.map((column) => column.name);
    return [
      ...rowsOf(table, names, (columns, row) => {
        const cells = columns.map((column) => {
          const cell = column?.cells[row];
          if (column?.kind === 'json') return `${JSON.stringify(column.name)}:${cell ?? 'null'}`;
          if (typeof cell !== 'number')
            return `${JSON.stringify(column?.name)}:${JSON.stringify(cell ?? null)}`;
          return `"${column?.name}":${numberText(column?.kind === 'time' ? msOf(cell) : cell)}`;
        });
        return `${head},${cells.join(',')}}\n`;
      }),
    ];
  });
  return lines.join('');
}
