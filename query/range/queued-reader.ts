// The reader of one caller: what it reads waits for its turn, and ends with whoever asked for it.
import type { Claims } from '../../policies/grant.ts';
import type { RangeRequest } from '../../store/range/range.ts';
import type { RawScan, RawSlice } from '../../store/range/raw-page.ts';
import type { RangeReader } from '../../store/range/read.ts';
import type { ReadQueue } from './queue.ts';

/** Gives the reader of a caller; all that `read` does ends as `signal` fires. */
export type ReaderOf = (claims: Claims, signal?: AbortSignal) => RangeReader;

/** Puts a queue before a reader. */
export function queuedReaders(reader: RangeReader, queue: ReadQueue): ReaderOf {
  return ({ tenant, sub }, signal) => {
    // A list as JSON: tenant `a` with subject `b/c` is not tenant `a/b` with subject `c`.
    const subject = JSON.stringify([tenant, sub]);
    const ending = <R extends RangeRequest>(request: R): R =>
      signal === undefined ? request : { ...request, signal };
    return {
      ...reader,
      costFacts: (request) =>
        reader.costFacts(ending(request), (work) => queue.run(subject, signal, work)),
      read: (request) => queue.run(subject, signal, () => reader.read(ending(request))),
      slices: (scan) => queuedSlices(subject, scan, reader, queue),
    };
  };
}

/** Each slice waits for its turn: whoever reads many lets others have the database in between. */
async function* queuedSlices(
  subject: string,
  scan: RawScan,
  reader: RangeReader,
  queue: ReadQueue,
): AsyncGenerator<RawSlice, void, undefined> {
  const slices = reader.slices(scan)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await queue.run(subject, scan.signal, () => slices.next());
      if (done === true) return;
      yield value;
    }
  } finally {
    await slices.return?.();
  }
}
