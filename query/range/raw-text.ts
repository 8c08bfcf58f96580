// Raw points as text, some thousand rows at a time: what streams of any length are made of. Written column by column,
// since a generic row of cells took five times as long.
import type { RawSlice } from '../../store/range/raw-page.ts';
import { csvText, numberText } from './encode.ts';
import { timeWriter } from './times.ts';

/** Rows of one piece: some 200 KB, and 2 ms of the event loop. */
const PIECE_ROWS = 4_000;

/** Header of the CSV; `q` is 0 where a point is good. */
export const RAW_CSV_HEADER = 'series,asset,channel,t,v,q\n';

type WriteRow = (row: number) => string;

function* piecesOf({ columns }: RawSlice, write: WriteRow): Generator<string> {
  const rows = columns.t.length;
  for (let from = 0; from < rows; from += PIECE_ROWS) {
    const to = Math.min(from + PIECE_ROWS, rows);
    let text = '';
    for (let row = from; row < to; row += 1) text += write(row);
    yield text;
  }
}

/** Rows of a slice as CSV, without the header. */
export function rawCsv(slice: RawSlice): Generator<string> {
  const { series, columns } = slice;
  const { t, v, q } = columns;
  const head = `${series.id},${csvText(series.asset)},${csvText(series.channel)},`;
  const timeOf = timeWriter();
  const cellOf: WriteRow =
    v instanceof Float64Array ? (row) => numberText(v[row]!) : (row) => csvText(v[row]!);
  return piecesOf(slice, (row) => `${head}${timeOf(t[row]!)},${cellOf(row)},${q[row]}\n`);
}

/** Rows of a slice as NDJSON; `q` stands only where a point is not good. */
export function rawNdjson(slice: RawSlice): Generator<string> {
  const { series, columns } = slice;
  const { t, v, q } = columns;
  const { id, asset, channel } = series;
  const head = `${JSON.stringify({ series: id, asset, channel }).slice(0, -1)},"t":`;
  const cellOf: WriteRow =
    v instanceof Float64Array ? (row) => numberText(v[row]!) : (row) => JSON.stringify(v[row]);
  return piecesOf(slice, (row) => {
    const quality = q[row] === 0 ? '' : `,"q":${q[row]}`;
    return `${head}${t[row]! / 1_000},"v":${cellOf(row)}${quality}}\n`;
  });
}
