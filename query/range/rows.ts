// A range as rows: CSV and NDJSON, of buckets and of raw points, whole or some thousand rows at a time.
import {
  type ByteBuffer,
  createByteBuffer,
  type Piece,
  pieceOf,
  writePiece,
  writeText,
  writtenBytes,
} from '../../lib/byte-buffer.ts';
import type { RawSlice } from '../../store/range/raw-page.ts';
import type { Series } from '../../store/series.ts';
import { csvCell, csvText, jsonCell, type WriteCell } from './cells.ts';
import type { SeriesTable } from './table.ts';

/** A piece of a stream ends with the row that reaches this: some 2,500 points, or a single long text. */
const PIECE_BYTES = 128 * 1024;

/** Expected of a cell with what separates it; a buffer that turns out too small grows. */
const CELL_BYTES = 24;

/** How the rows of one series are written. */
interface RowFormat {
  /** What each row begins with. */
  readonly head: Piece;
  readonly cells: readonly WriteCell[];
  readonly end: Piece;
}

function writeRow(buffer: ByteBuffer, { head, cells, end }: RowFormat, row: number): void {
  writePiece(buffer, head);
  for (const write of cells) write(buffer, row);
  writePiece(buffer, end);
}

function writeRows(buffer: ByteBuffer, format: RowFormat, rows: number): void {
  for (let row = 0; row < rows; row++) writeRow(buffer, format, row);
}

/** A cell with what stands before it in each row. */
function behind(text: string, write: WriteCell): WriteCell {
  const bytes = pieceOf(text);
  return (buffer, row) => {
    writePiece(buffer, bytes);
    write(buffer, row);
  };
}

function csvFormat({ id, asset, channel }: Series, cells: readonly WriteCell[]): RowFormat {
  return {
    head: pieceOf(`${id},${csvText(asset)},${csvText(channel)}`),
    cells: cells.map((write) => behind(',', write)),
    end: pieceOf('\n'),
  };
}

function ndjsonFormat({ id, asset, channel }: Series, cells: readonly WriteCell[]): RowFormat {
  const head = JSON.stringify({ series: id, asset, channel }).slice(0, -1);
  return { head: pieceOf(head), cells, end: pieceOf('}\n') };
}

const named = (name: string, write: WriteCell): WriteCell =>
  behind(`,${JSON.stringify(name)}:`, write);

/** Names of the columns of all series, in the order in which they first come, `q` last. */
export function columnNames(tables: readonly SeriesTable[]): string[] {
  const names = new Set(tables.flatMap((table) => table.columns.map((column) => column.name)));
  return names.delete('q') ? [...names, 'q'] : [...names];
}

const rowsOf = ({ columns }: SeriesTable): number => columns[0]?.cells.length ?? 0;

function bufferFor(tables: readonly SeriesTable[]): ByteBuffer {
  const cells = tables.reduce((sum, table) => sum + rowsOf(table) * (table.columns.length + 2), 0);
  return createByteBuffer(1_000 + cells * CELL_BYTES);
}

/** Comma-separated with a header; `series` is the id, times are RFC 3339, an empty cell is none. */
export function rangeCsv(tables: readonly SeriesTable[]): Uint8Array {
  const names = columnNames(tables);
  const buffer = bufferFor(tables);
  writeText(buffer, `${['series', 'asset', 'channel', ...names].join(',')}\n`);
  for (const table of tables) {
    const cells = names.map((name): WriteCell => {
      const column = table.columns.find((one) => one.name === name);
      return column === undefined ? () => undefined : csvCell(column);
    });
    writeRows(buffer, csvFormat(table.series, cells), rowsOf(table));
  }
  return writtenBytes(buffer);
}

/** One JSON object a line, with the names of the CSV and times in ms. */
export function rangeNdjson(tables: readonly SeriesTable[]): Uint8Array {
  const buffer = bufferFor(tables);
  for (const table of tables) {
    const cells = table.columns.map((column) => named(column.name, jsonCell(column)));
    writeRows(buffer, ndjsonFormat(table.series, cells), rowsOf(table));
  }
  return writtenBytes(buffer);
}

/** Header of raw points as CSV; `q` is 0 where a point is good. */
export const RAW_CSV_HEADER = 'series,asset,channel,t,v,q\n';

function* piecesOf({ columns }: RawSlice, format: RowFormat): Generator<Uint8Array> {
  const rows = columns.t.length;
  const rowBytes = format.head.length + format.cells.length * CELL_BYTES;
  for (let row = 0; row < rows; ) {
    const buffer = createByteBuffer(Math.min((rows - row) * rowBytes, PIECE_BYTES + rowBytes));
    while (row < rows && buffer.length < PIECE_BYTES) writeRow(buffer, format, row++);
    yield writtenBytes(buffer);
  }
}

/** Rows of a slice as CSV, without the header. */
export function rawCsv(slice: RawSlice): Generator<Uint8Array> {
  const { t, v, q } = slice.columns;
  const cells = [
    csvCell({ kind: 'time', cells: t }),
    csvCell({ kind: 'value', cells: v }),
    csvCell({ kind: 'value', cells: q }),
  ];
  return piecesOf(slice, csvFormat(slice.series, cells));
}

/** Rows of a slice as NDJSON; `q` stands only where a point is not good. */
export function rawNdjson(slice: RawSlice): Generator<Uint8Array> {
  const { t, v, q } = slice.columns;
  const quality = named('q', jsonCell({ kind: 'value', cells: q }));
  const cells: WriteCell[] = [
    named('t', jsonCell({ kind: 'time', cells: t })),
    named('v', jsonCell({ kind: 'value', cells: v })),
    (buffer, row) => {
      if (q[row] !== 0) quality(buffer, row);
    },
  ];
  return piecesOf(slice, ndjsonFormat(slice.series, cells));
}
