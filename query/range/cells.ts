// Cells of a range's columns as text: a whole column as a JSON array, and the cells of a row.
import {
  type ByteBuffer,
  type Piece,
  pieceOf,
  reserve,
  writePiece,
  writeText,
} from '../../lib/byte-buffer.ts';
import { NUMBER_BYTES_MAX, writeNumber, writeThousandths } from '../../lib/number-text.ts';
import type { Column } from './table.ts';
import { TIME_BYTES_MAX, timeWriter } from './times.ts';

/** Cells for which room is made at once. */
const CELLS_AT_ONCE = 1_024;
const COMMA = 0x2c;

/** A text as a cell of CSV. */
export const csvText = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

/** Writes a column as a JSON array; times are ms. */
export function writeJsonColumn(buffer: ByteBuffer, { kind, cells }: Column): void {
  if (cells instanceof Float64Array) {
    writeText(buffer, '[');
    writeNumbers(buffer, cells, kind === 'time');
    writeText(buffer, ']');
  } else if (kind === 'json') {
    writeText(buffer, `[${cells.map((cell) => cell ?? 'null').join(',')}]`);
  } else {
    writeText(buffer, JSON.stringify(cells));
  }
}

/** Writes numbers between commas. */
function writeNumbers(buffer: ByteBuffer, cells: Float64Array, areTimes: boolean): void {
  for (let from = 0; from < cells.length; from += CELLS_AT_ONCE) {
    const to = Math.min(from + CELLS_AT_ONCE, cells.length);
    reserve(buffer, (to - from) * NUMBER_BYTES_MAX);
    const { view } = buffer;
    let at = buffer.length;
    for (let row = from; row < to; row++) {
      const cell = cells[row]!;
      at = areTimes ? writeThousandths(view, at, cell) : writeNumber(view, at, cell);
      view.setUint8(at++, COMMA);
    }
    buffer.length = at;
  }
  // The last one has nothing behind it.
  if (cells.length > 0) buffer.length -= 1;
}

/** Writes the cell of a row, and whatever else belongs to it. */
export type WriteCell = (buffer: ByteBuffer, row: number) => void;

function numberCell(cells: Float64Array | Int16Array, none: Piece): WriteCell {
  return (buffer, row) => {
    const cell = cells[row]!;
    if (Number.isNaN(cell)) {
      writePiece(buffer, none);
      return;
    }
    reserve(buffer, NUMBER_BYTES_MAX);
    buffer.length = writeNumber(buffer.view, buffer.length, cell);
  };
}

const EMPTY = pieceOf('');
const NULL = pieceOf('null');

type CellsOf = Pick<Column, 'kind'> & { readonly cells: Column['cells'] | Int16Array };

/** Cells as CSV has them: times are RFC 3339, and what is none is empty. */
export function csvCell({ kind, cells }: CellsOf): WriteCell {
  if (!(cells instanceof Float64Array || cells instanceof Int16Array)) {
    return (buffer, row) => writeText(buffer, csvText(cells[row] ?? ''));
  }
  if (kind !== 'time') return numberCell(cells, EMPTY);
  const writeTime = timeWriter();
  return (buffer, row) => {
    const cell = cells[row]!;
    if (Number.isNaN(cell)) return;
    reserve(buffer, TIME_BYTES_MAX);
    buffer.length = writeTime(buffer.view, buffer.length, cell);
  };
}

/** Cells as JSON has them; times are ms. */
export function jsonCell({ kind, cells }: CellsOf): WriteCell {
  if (!(cells instanceof Float64Array || cells instanceof Int16Array)) {
    if (kind === 'json') return (buffer, row) => writeText(buffer, cells[row] ?? 'null');
    return (buffer, row) => writeText(buffer, JSON.stringify(cells[row] ?? null));
  }
  if (kind !== 'time') return numberCell(cells, NULL);
  return (buffer, row) => {
    reserve(buffer, NUMBER_BYTES_MAX);
    buffer.length = writeThousandths(buffer.view, buffer.length, cells[row]!);
  };
}
