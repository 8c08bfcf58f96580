// The data of a COPY FROM STDIN: collected from CopyData messages, bounded, and run as one statement when it is complete.
import { type Frame, frame } from './wire.ts';

/** All of a COPY's data stands in memory until it is complete. */
const COPY_BYTES_MAX = 256 * 1024 * 1024;

/** How a statement came: alone in a Query, or as messages that end with a Sync. */
export type Origin = 'query' | 'extended';

export interface CopyIn {
  readonly origin: Origin;
  /** What runs the COPY when its data is complete: a Query or an Execute. */
  readonly statement: Frame;
  readonly chunks: Buffer[];
  bytes: number;
}

export function createCopyIn(origin: Origin, statement: Frame): CopyIn {
  return { origin, statement, chunks: [], bytes: 0 };
}

/** Takes one CopyData. What comes beyond the bound is counted and dropped. */
export function addCopyData(copy: CopyIn, message: Frame): void {
  copy.bytes += message.length - 5;
  if (copy.bytes > COPY_BYTES_MAX) copy.chunks.length = 0;
  else if (message.length > 5) copy.chunks.push(message.subarray(5));
}

/** Why the data cannot be run, if it cannot. */
export function copyFault(copy: CopyIn): { code: string; message: string } | undefined {
  if (copy.bytes <= COPY_BYTES_MAX) return undefined;
  return {
    code: '54000',
    message: `COPY data of ${copy.bytes} bytes is more than the embedded database takes at once (${COPY_BYTES_MAX}): send it in several COPYs`,
  };
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A Query that fails with this error, so that an open transaction fails with it too. */
export function failingQuery(fault: { code: string; message: string }): Frame {
  const block = `begin raise exception using errcode = ${literal(fault.code)}, message = ${literal(fault.message)}; end`;
  return frame('Q', `do ${literal(block)}`);
}
