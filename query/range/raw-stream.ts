// Raw points of any span as one answer, read while it is sent: what fits a first page is answered whole, the rest follows
// slice by slice.
import type { RangeColumns, RawPosition } from '../../store/range/range.ts';
import type { RawSlice } from '../../store/range/raw-page.ts';
import type { RangeReader } from '../../store/range/read.ts';
import type { PiecesReply } from '../http/reply.ts';
import type { Format } from './parameters.ts';
import type { RangeResult } from './read.ts';
import { RAW_CSV_HEADER, rawCsv, rawNdjson } from './rows.ts';

/** Formats that may be of any length. */
export type StreamFormat = Extract<Format, 'csv' | 'ndjson' | 'arrow'>;

/** True for a format that raw points may be streamed in. */
export function isStreamFormat(format: Format): format is StreamFormat {
  return format === 'csv' || format === 'ndjson' || format === 'arrow';
}

export interface RawStream {
  readonly format: StreamFormat;
  readonly headers: Readonly<Record<string, string>>;
  /** The first page, of which more follows after `next`; shown later by `offsetUs`. */
  readonly first: RangeResult;
  readonly next: RawPosition;
  readonly offsetUs: number;
  readonly rangeReader: Pick<RangeReader, 'slices'>;
  /** Throws where the answer may not go on; called before each slice. */
  readonly check: () => void;
  /** Ends the reading. */
  readonly signal: AbortSignal;
}

function isRaw(columns: RangeColumns): columns is Extract<RangeColumns, { kind: 'raw' }> {
  return columns.kind === 'raw';
}

async function* slicesOf(stream: RawStream): AsyncGenerator<RawSlice> {
  const { first, next, offsetUs, rangeReader, check, signal } = stream;
  const { answer } = first;
  for (const { series, columns } of answer.series) {
    if (isRaw(columns) && columns.t.length > 0) yield { series, columns };
  }
  const scan = {
    series: answer.series.map(({ series }) => series),
    startUs: answer.startUs - offsetUs,
    endUs: answer.endUs - offsetUs,
    ...{ after: next, signal },
  };
  check();
  for await (const { series, columns } of rangeReader.slices(scan)) {
    check();
    yield { series, columns: { ...columns, t: columns.t.map((us) => us + offsetUs) } };
  }
}

async function* textOf(stream: RawStream): AsyncGenerator<Uint8Array | string> {
  const { format } = stream;
  if (format === 'csv') yield RAW_CSV_HEADER;
  const write = format === 'csv' ? rawCsv : rawNdjson;
  for await (const slice of slicesOf(stream)) yield* write(slice);
}

async function* arrowOf(stream: RawStream): AsyncGenerator<Uint8Array> {
  const { rawArrow } = await import('./arrow.ts');
  const writer = rawArrow(stream.first.answer.series.map(({ series }) => series));
  for await (const slice of slicesOf(stream)) yield* writer.add(slice);
  yield* writer.end();
}

/** The answer. */
export function rawStreamReply(stream: RawStream): PiecesReply {
  const { format, headers, first } = stream;
  const pieces = format === 'arrow' ? arrowOf(stream) : textOf(stream);
  return { kind: 'pieces', headers, level: first.answer.level, pieces };
}
