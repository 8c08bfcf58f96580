// Writes a range's answer as JSON and as MessagePack: into bytes once, which are hashed for the ETag and sent.
import {
  type ByteBuffer,
  createByteBuffer,
  writeText,
  writtenBytes,
} from '../../lib/byte-buffer.ts';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Grant } from '../../policies/grant.ts';
import type { RangeAnswer } from '../../store/range/range.ts';
import type { Series } from '../../store/series.ts';
import { writeJsonColumn } from './cells.ts';
import { writeArrayHead, writeMapHead, writePacked, writePackedNumbers } from './msgpack.ts';
import type { Column, SeriesTable } from './table.ts';

export interface Answered {
  readonly answer: RangeAnswer;
  readonly tables: readonly SeriesTable[];
  readonly grant: Grant;
  readonly next: string | undefined;
  readonly stepMs: number | null;
}

const msOf = (us: number): number => us / 1_000;

/** How an answer was made, where that was asked for. */
function planOf({ explained }: RangeAnswer) {
  if (explained === undefined) return undefined;
  const families = explained.families.map(({ family, segments }) => ({
    family,
    segments: segments.map(({ level, startUs, endUs, estimatedRows, rows }) => ({
      ...{ level, start: msOf(startUs), end: msOf(endUs), estimated_rows: estimatedRows, rows },
    })),
  }));
  return { families, sql: explained.sql };
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
    // Left out of the answer where it is undefined, as the next one.
    plan: planOf(answer),
    cursor: encodeCursor(answer.position),
    next,
    policy: {
      revision: grant.revision,
      decision_id: grant.decisionId,
      obligations: grant.obligations,
    },
  };
}

/** An answer's bytes, and what its ETag stands for: all of it but the cursor and the decision's id, new each time. */
export interface Encoded {
  readonly body: Buffer;
  readonly etagOf: readonly (string | Uint8Array)[];
}

/** Expected of a cell with its comma; a buffer that turns out too small grows, and is garbage thrice as large. */
const CELL_BYTES = 20;

function bufferFor({ tables }: Answered): ByteBuffer {
  const cells = tables
    .flatMap(({ columns }) => columns)
    .reduce((sum, column) => sum + column.cells.length, 0);
  return createByteBuffer(2_000 + 200 * tables.length + cells * CELL_BYTES);
}

function encoded(
  { range, plan, next, policy }: ReturnType<typeof frameOf>,
  buffer: ByteBuffer,
  series: readonly [from: number, to: number],
): Encoded {
  const body = writtenBytes(buffer);
  const { revision, obligations } = policy;
  const frame = JSON.stringify([range, next, revision, obligations, plan]);
  return { body, etagOf: [frame, body.subarray(...series)] };
}

/** What is said of a series; it is redacted already, where its name was looked up. */
function headOf({ id, asset, channel, labels, unit }: Series) {
  return { id, asset, channel, labels, unit };
}

function writeJsonSeries(buffer: ByteBuffer, { series, columns }: SeriesTable): void {
  writeText(buffer, JSON.stringify(headOf(series)).slice(0, -1));
  for (const column of columns) {
    writeText(buffer, `,${JSON.stringify(column.name)}:`);
    writeJsonColumn(buffer, column);
  }
  writeText(buffer, '}');
}

/** The answer as a JSON object. */
export function rangeJson(answered: Answered): Encoded {
  const frame = frameOf(answered);
  const { range, ...rest } = frame;
  const buffer = bufferFor(answered);
  writeText(buffer, `{"range":${JSON.stringify(range)},"series":[`);
  const from = buffer.length - 1;
  for (const [index, table] of answered.tables.entries()) {
    if (index > 0) writeText(buffer, ',');
    writeJsonSeries(buffer, table);
  }
  writeText(buffer, ']');
  const to = buffer.length;
  writeText(buffer, `,${JSON.stringify(rest).slice(1)}`);
  return encoded(frame, buffer, [from, to]);
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

function presentOf<T extends object>(members: T): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** The answer as a value of the same shape as its JSON, for MessagePack. */
export function rangeValue(answered: Answered): Record<string, unknown> {
  const { range, ...rest } = frameOf(answered);
  const series = answered.tables.map((table) => ({
    ...headOf(table.series),
    ...Object.fromEntries(table.columns.map((column) => [column.name, plainCells(column)])),
  }));
  return { range, series, ...presentOf(rest) };
}

function writePackedColumn(buffer: ByteBuffer, column: Column): void {
  const { kind, cells } = column;
  if (cells instanceof Float64Array) writePackedNumbers(buffer, cells, kind === 'time');
  else writePacked(buffer, plainCells(column));
}

/** The answer as MessagePack. */
export function rangeMsgpack(answered: Answered): Encoded {
  const frame = frameOf(answered);
  const { range, ...rest } = frame;
  const members = Object.entries(presentOf(rest));
  const buffer = bufferFor(answered);
  writeMapHead(buffer, 2 + members.length);
  writePacked(buffer, 'range');
  writePacked(buffer, range);
  writePacked(buffer, 'series');
  const from = buffer.length;
  writeArrayHead(buffer, answered.tables.length);
  for (const { series, columns } of answered.tables) {
    const head = Object.entries(headOf(series));
    writeMapHead(buffer, head.length + columns.length);
    for (const part of head.flat()) writePacked(buffer, part);
    for (const column of columns) {
      writePacked(buffer, column.name);
      writePackedColumn(buffer, column);
    }
  }
  const to = buffer.length;
  for (const part of members.flat()) writePacked(buffer, part);
  return encoded(frame, buffer, [from, to]);
}
