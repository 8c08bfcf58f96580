// A range as an Arrow IPC stream (application/vnd.apache.arrow.stream): the columns of the CSV, typed. Loaded by the
// first answer that is asked for in it: the library takes some 350 ms of processor time to load, which every start would pay.
import {
  AsyncByteQueue,
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int16,
  Int32,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  vectorFromArray,
} from 'apache-arrow';
import { numberText } from '../../lib/number-text.ts';
import type { RangeAnswer } from '../../store/range/range.ts';
import type { RawSlice } from '../../store/range/raw-page.ts';
import type { Series } from '../../store/series.ts';
import type { Answered } from './encode.ts';
import { columnNames } from './rows.ts';
import type { Cells, SeriesTable } from './table.ts';

/** Rows of one batch at least, but for the last: each has some 600 bytes of its own. */
const BATCH_ROWS = 16_384;

/** What a column holds; `quality` is 0 where nothing else is said. */
interface ColumnSpec {
  readonly name: string;
  readonly holds: 'time' | 'number' | 'text' | 'quality';
}

/** Rows of one series. */
interface Part {
  readonly series: Series;
  readonly rows: number;
  readonly cells: ReadonlyMap<string, Cells | Int16Array>;
}

const NONE = { nullCount: 0 };

/** Nulls as Arrow wants them: a bit a row, set where there is a value. */
function nullsOf(isNull: (row: number) => boolean, rows: number) {
  const nullBitmap = new Uint8Array(Math.ceil(rows / 8));
  let nullCount = 0;
  for (let row = 0; row < rows; row += 1) {
    if (isNull(row)) nullCount += 1;
    else nullBitmap[row >> 3] = nullBitmap[row >> 3]! | (1 << (row & 7));
  }
  return nullCount === 0 ? NONE : { nullCount, nullBitmap };
}

/** µs as 64-bit integers, by halves: a BigInt a row takes eight times as long. */
function int64Of(us: Float64Array): BigInt64Array {
  const halves = new Int32Array(us.length * 2);
  for (let row = 0; row < us.length; row += 1) {
    const high = Math.floor(us[row]! / 4_294_967_296);
    halves[row * 2] = us[row]! - high * 4_294_967_296;
    halves[row * 2 + 1] = high;
  }
  return new BigInt64Array(halves.buffer);
}

function numbersOf(parts: readonly Part[], name: string, rows: number): Float64Array {
  const numbers = new Float64Array(rows).fill(Number.NaN);
  let at = 0;
  for (const part of parts) {
    const cells = part.cells.get(name);
    if (cells instanceof Float64Array) numbers.set(cells, at);
    at += part.rows;
  }
  return numbers;
}

/** Numbers among texts come as the CSV writes them. */
function textsOf(parts: readonly Part[], name: string): (string | null)[] {
  return parts.flatMap(({ cells, rows }) => {
    const column = cells.get(name) ?? new Array<null>(rows).fill(null);
    return Array.from<string | number | null, string | null>(column, (cell) => {
      if (typeof cell !== 'number') return cell;
      return Number.isNaN(cell) ? null : numberText(cell);
    });
  });
}

function qualitiesOf(parts: readonly Part[], name: string, rows: number): Int16Array {
  const qualities = new Int16Array(rows);
  let at = 0;
  for (const part of parts) {
    const cells = part.cells.get(name);
    if (cells instanceof Int16Array) qualities.set(cells, at);
    at += part.rows;
  }
  return qualities;
}

function columnData({ name, holds }: ColumnSpec, parts: readonly Part[], rows: number): Data {
  if (holds === 'text') {
    const texts = textsOf(parts, name);
    return texts.length === 0
      ? makeData({ type: new Utf8() })
      : vectorFromArray(texts, new Utf8()).data[0]!;
  }
  if (holds === 'quality') {
    return makeData({ type: new Int16(), data: qualitiesOf(parts, name, rows), ...NONE });
  }
  const numbers = numbersOf(parts, name, rows);
  const nulls = nullsOf((row) => Number.isNaN(numbers[row]!), rows);
  if (holds === 'number') return makeData({ type: new Float64(), data: numbers, ...nulls });
  return makeData({ type: new TimestampMicrosecond('UTC'), data: int64Of(numbers), ...nulls });
}

const TYPES = {
  time: () => new TimestampMicrosecond('UTC'),
  number: () => new Float64(),
  text: () => new Utf8(),
  quality: () => new Int16(),
} as const;

/** A label of the series as a dictionary, which is sent once. The id is fixed: the same answer has the same bytes. */
function labelColumn(series: readonly Series[], label: 'asset' | 'channel', id: number) {
  const type = new Dictionary(new Utf8(), new Int32(), id);
  const texts = [...new Set(series.map((one) => one[label]))];
  const indexes = new Map(texts.map((text, index) => [text, index]));
  const dictionary = vectorFromArray(texts, new Utf8());
  return {
    type,
    dataOf(parts: readonly Part[], rows: number): Data {
      const data = perSeries(parts, rows, (one) => indexes.get(one[label]) ?? 0);
      return makeData({ type, data, dictionary, ...NONE });
    },
  };
}

function perSeries(parts: readonly Part[], rows: number, valueFor: (series: Series) => number) {
  const values = new Int32Array(rows);
  let at = 0;
  for (const part of parts) {
    values.fill(valueFor(part.series), at, at + part.rows);
    at += part.rows;
  }
  return values;
}

interface Batches {
  readonly schema: Schema;
  batchOf(parts: readonly Part[]): RecordBatch;
}

function batchesOf(series: readonly Series[], columns: readonly ColumnSpec[]): Batches {
  const [asset, channel] = [labelColumn(series, 'asset', 1), labelColumn(series, 'channel', 2)];
  const fields: Field<DataType>[] = [
    new Field('series', new Int32(), false),
    new Field('asset', asset.type, false),
    new Field('channel', channel.type, false),
    ...columns.map(({ name, holds }) => new Field(name, TYPES[holds](), holds !== 'quality')),
  ];
  const schema = new Schema(fields);
  return {
    schema,
    batchOf(parts) {
      const rows = parts.reduce((sum, part) => sum + part.rows, 0);
      const children: Data[] = [
        makeData({ type: new Int32(), data: perSeries(parts, rows, ({ id }) => id), ...NONE }),
        asset.dataOf(parts, rows),
        channel.dataOf(parts, rows),
        ...columns.map((column) => columnData(column, parts, rows)),
      ];
      const type = new Struct(fields);
      return new RecordBatch(schema, makeData({ type, length: rows, children, ...NONE }));
    },
  };
}

/** Writes parts into a stream; what is ready comes back each time. */
function streamOf(series: readonly Series[], columns: readonly ColumnSpec[]) {
  const { schema, batchOf } = batchesOf(series, columns);
  let ready: Uint8Array[] = [];
  const sink = new AsyncByteQueue();
  // The library's queue takes all that comes, and tells nobody how much it holds.
  sink.write = (bytes) => void ready.push(bytes as Uint8Array);
  const writer = new RecordBatchStreamWriter();
  writer.reset(sink, schema);
  let parts: Part[] = [];
  let rows = 0;

  function take(): Uint8Array[] {
    const taken = ready;
    ready = [];
    return taken;
  }

  function flush(): void {
    if (rows > 0) writer.write(batchOf(parts));
    [parts, rows] = [[], 0];
  }

  return {
    add(part: Part): Uint8Array[] {
      parts.push(part);
      rows += part.rows;
      if (rows >= BATCH_ROWS) flush();
      return take();
    },
    end(): Uint8Array[] {
      flush();
      writer.finish();
      return take();
    },
  };
}

/** Texts where any series is of states: a column has one type. */
function rawColumnsOf(series: readonly Series[]): ColumnSpec[] {
  const holds = series.every(({ kind }) => kind === 'number') ? 'number' : 'text';
  return [
    { name: 't', holds: 'time' },
    { name: 'v', holds },
    { name: 'q', holds: 'quality' },
  ];
}

/** Raw points as an Arrow stream: the bytes that are ready after each slice, and those of the end. */
export function rawArrow(series: readonly Series[]) {
  const stream = streamOf(series, rawColumnsOf(series));
  return {
    add({ series: one, columns: { t, v, q } }: RawSlice): Uint8Array[] {
      const cells = new Map<string, Cells | Int16Array>([
        ['t', t],
        ['v', v],
        ['q', q],
      ]);
      return stream.add({ series: one, rows: t.length, cells });
    },
    end: () => stream.end(),
  };
}

function specOf(name: string, tables: readonly SeriesTable[]): ColumnSpec {
  const found = tables.flatMap(({ columns }) => columns.filter((column) => column.name === name));
  if (found.some(({ kind }) => kind === 'time')) return { name, holds: 'time' };
  // A state has no mean, which is no text either.
  const isText = found.some(
    ({ cells }) => !(cells instanceof Float64Array) && cells.some((cell) => cell !== null),
  );
  return { name, holds: isText ? 'text' : 'number' };
}

function* rawSlices({ series }: RangeAnswer): Generator<RawSlice> {
  for (const { series: one, columns } of series) {
    if (columns.kind === 'raw') yield { series: one, columns };
  }
}

/** The whole of an answer as an Arrow stream. */
export function rangeArrow({ answer, tables }: Pick<Answered, 'answer' | 'tables'>): Uint8Array {
  const slices = [...rawSlices(answer)];
  const series = answer.series.map((one) => one.series);
  if (slices.length > 0) {
    const raw = rawArrow(series);
    const bytes = slices.flatMap((slice) => raw.add(slice));
    return Buffer.concat([...bytes, ...raw.end()]);
  }
  const stream = streamOf(
    series,
    columnNames(tables).map((name) => specOf(name, tables)),
  );
  const bytes = tables.flatMap(({ series: one, columns }) => {
    const cells = new Map(columns.map((column) => [column.name, column.cells]));
    return stream.add({ series: one, rows: columns[0]?.cells.length ?? 0, cells });
  });
  return Buffer.concat([...bytes, ...stream.end()]);
}
