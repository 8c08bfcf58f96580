// One instance of a policy's WebAssembly with its data, and the image from which it can be made again, also in another
// thread. OPA's SDK evaluates; what a policy may call outside of itself is ours, because the SDK's own functions cannot be
// replaced where they are wrong (sprintf), and what is missing shows only when a rule needs it.
import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { type Builtin, createBuiltins } from './builtins.ts';

/** WebAssembly's pages are 64 KiB. A policy that wants more than 256 MiB fails, and so denies. */
export const MEMORY_PAGES_MAX = 4096;
const MEMORY_PAGES_INITIAL = 5;
const PAGE_BYTES = 65_536;
/** Copied in one go: some 0.1 ms where the pages are new. */
const SLICE_BYTES = 1 << 18;

// The SDK's ESM half exports one function; the class that evaluates is only in its CommonJS half.
type Sdk = typeof import('@open-policy-agent/opa-wasm', { with: { 'resolution-mode': 'require' }});
type Loaded = InstanceType<Sdk['LoadedPolicy']>;
const { LoadedPolicy } = createRequire(import.meta.url)('@open-policy-agent/opa-wasm') as Sdk;

/** A policy as it stands after its data was loaded. Can be sent to another thread. */
export interface PolicyImage {
  readonly module: WebAssembly.Module;
  /**
   * The memory from 0 to the end of the data; what is above is scratch. Shared, because a buffer that is handed over
   * counts as the receiver's garbage to be: 26 MB of it made the receiver's collector stop everything for 2 to 20 ms.
   */
  readonly memory: SharedArrayBuffer;
  /** Pages of the memory that it was taken of: the policy's allocator believes in them. */
  readonly pages: number;
  readonly pagesMax: number;
  readonly dataAddr: number;
  /** Where the data begins and ends: what is below is the program's own. */
  readonly dataStart: number;
  readonly dataEnd: number;
  /** What the policy calls outside of itself, by the number that it calls it by. */
  readonly builtins: Readonly<Record<number, string>>;
}

interface Instance {
  readonly loaded: Loaded;
  readonly memory: WebAssembly.Memory;
  readonly exports: Exports;
  /** All of the memory; another one after it has grown. */
  view: Buffer;
}

/** The functions of ABI 1.2 that this file calls itself. */
interface Exports {
  readonly opa_wasm_abi_version: { readonly value: number };
  readonly opa_wasm_abi_minor_version: { readonly value: number };
  readonly opa_malloc: (bytes: number) => number;
  readonly opa_json_parse: (at: number, bytes: number) => number;
  readonly opa_json_dump: (value: number) => number;
  /** Reserved, entrypoint, data, input and its bytes, where the heap begins, format 0 (JSON); gives text up to a NUL. */
  readonly opa_eval: (...of: [0, number, number, number, number, number, 0]) => number;
  readonly builtins: () => number;
}

/** Compiles a module. @throws TailraceError `policy_wasm_invalid`. */
export function compileModule(wasm: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(wasm);
  } catch (thrown) {
    throw notStarting(thrown);
  }
}

/**
 * Instantiates a module, gives it its data (JSON), and takes its image. Blocks for as long as that takes: 157 ms for
 * 2.26 MB.
 * @throws TailraceError `policy_wasm_invalid`, `policy_builtin_missing`, `policy_memory`.
 */
export function takeImage(
  module: WebAssembly.Module,
  dataJson: Uint8Array,
  pagesMax = MEMORY_PAGES_MAX,
): PolicyImage {
  const builtins: Record<number, string> = {};
  let instance: Instance;
  try {
    const memory = newMemory(MEMORY_PAGES_INITIAL, pagesMax);
    instance = instantiate(module, memory, builtins);
    const { exports } = instance.loaded.wasmInstance as { exports: Exports };
    for (const [name, id] of Object.entries(readJson(memory, exports, exports.builtins()))) {
      builtins[Number(id)] = name;
    }
  } catch (thrown) {
    throw notStarting(thrown);
  }
  refuseMissing(Object.values(builtins));
  const { loaded, memory } = instance;
  try {
    loaded.setData(exactBuffer(dataJson));
  } catch (thrown) {
    throw notLoading(thrown, dataJson.length, pagesMax);
  }
  const dataStart = Number(loaded.baseHeapPtr);
  const dataEnd = Number(loaded.dataHeapPtr);
  return {
    ...{ module, pagesMax, builtins, dataStart, dataEnd },
    memory: sharedCopy(memory, dataEnd),
    pages: memory.buffer.byteLength / PAGE_BYTES,
    dataAddr: loaded.dataAddr,
  };
}

function sharedCopy(memory: WebAssembly.Memory, bytes: number): SharedArrayBuffer {
  const copy = new SharedArrayBuffer(bytes);
  new Uint8Array(copy).set(new Uint8Array(memory.buffer, 0, bytes));
  return copy;
}

/** Evaluates the entrypoint at once and gives OPA's result set. Throws whatever OPA throws. */
export type Run = (input: unknown, entrypoint: string) => unknown;

/** Runs an image in this thread, ready at once. */
export function runImage(image: PolicyImage): Run {
  const instance = instanceFor(image);
  new Uint8Array(instance.memory.buffer).set(new Uint8Array(image.memory));
  return runner(instance, image);
}

/**
 * Runs an image that another thread took. The memory is filled in slices, so that other work of this thread gets its
 * turn in between.
 */
export async function adoptImage(image: PolicyImage): Promise<Run> {
  const instance = instanceFor(image);
  const from = new Uint8Array(image.memory);
  const to = new Uint8Array(instance.memory.buffer);
  for (let at = 0; at < from.length; at += SLICE_BYTES) {
    to.set(from.subarray(at, at + SLICE_BYTES), at);
    await nextTurn();
  }
  return runner(instance, image);
}

/**
 * What is thrown out of WebAssembly leaves its stack pointer where it was and its allocator in between: such an instance
 * is not used again. The next one gets the program's part of the memory from the image, and the data, which no
 * evaluation writes to, from the instance before it: the image's copy of the data need not be kept for that.
 */
function runner(first: Instance, { memory, ...image }: PolicyImage): Run {
  const { dataStart, dataEnd } = image;
  const program = new Uint8Array(memory).slice(0, dataStart);
  let instance = first;
  let usable = true;

  function replace(): void {
    const next = instanceFor(image);
    const to = new Uint8Array(next.memory.buffer);
    to.set(new Uint8Array(instance.memory.buffer, dataStart, dataEnd - dataStart), dataStart);
    to.set(program);
    instance = next;
    usable = true;
  }

  return (input, entrypoint) => {
    if (!usable) replace();
    try {
      return evaluate(instance, input, entrypoint);
    } catch (thrown) {
      usable = false;
      throw thrown;
    }
  };
}

/**
 * As the SDK's own `evaluate`, which looks at the answer byte by byte and copies the input twice: a quarter of the time
 * of a small decision.
 */
function evaluate(instance: Instance, input: unknown, entrypoint: string): unknown {
  const { loaded, memory, exports } = instance;
  const { entrypoints, dataAddr } = loaded;
  const id = entrypoints[entrypoint];
  if (id === undefined) throw new Error(`it has no entrypoint ${entrypoint}`);
  const text = JSON.stringify(input);
  const at = Number(loaded.dataHeapPtr);
  // UTF-8 takes three bytes a unit of UTF-16 at most.
  const lacking = at + text.length * 3 - memory.buffer.byteLength;
  if (lacking > 0) memory.grow(Math.ceil(lacking / PAGE_BYTES));
  const bytes = viewOf(instance).write(text, at);
  const answer = exports.opa_eval(0, id, dataAddr, at, bytes, at + bytes, 0);
  const view = viewOf(instance);
  return JSON.parse(view.toString('utf8', answer, view.indexOf(0, answer)));
}

function viewOf(instance: Instance): Buffer {
  const { buffer } = instance.memory;
  if (instance.view.buffer !== buffer) instance.view = Buffer.from(buffer);
  return instance.view;
}

/** An instance that knows where its data will be; its memory is still to be filled. */
function instanceFor(image: Omit<PolicyImage, 'memory'>): Instance {
  const instance = instantiate(
    image.module,
    newMemory(image.pages, image.pagesMax),
    image.builtins,
  );
  const { loaded } = instance;
  loaded.dataAddr = image.dataAddr;
  loaded.baseHeapPtr = image.dataStart;
  loaded.dataHeapPtr = image.dataEnd;
  return instance;
}

function newMemory(initial: number, maximum: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial, maximum });
}

/** `builtins` is looked into when something is called, so it may be filled later. */
function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  builtins: Readonly<Record<number, string>>,
): Instance {
  const functions = createBuiltins();
  const call = (id: number, _context: number, ...addresses: number[]): number => {
    const name = builtins[id] ?? String(id);
    const builtin: Builtin | undefined = functions.get(name);
    if (builtin === undefined) throw new Error(`the built-in function ${name} is not available`);
    const result = builtin(...addresses.map((at) => readJson(memory, exports, at)));
    return result === undefined ? 0 : writeJson(memory, exports, result);
  };
  const env = {
    memory,
    opa_abort(at: number) {
      throw new Error(textAt(memory, at));
    },
    // Rules that print are for their author's terminal.
    opa_println() {},
    ...{ opa_builtin0: call, opa_builtin1: call, opa_builtin2: call, opa_builtin3: call },
    opa_builtin4: call,
  };
  const instance = new WebAssembly.Instance(module, { env });
  // Checked to be there by the two versions; what a later minor version adds is not used.
  const exports = instance.exports as unknown as Exports;
  const version = exports.opa_wasm_abi_version?.value;
  const minor = exports.opa_wasm_abi_minor_version?.value;
  if (version !== 1 || !(minor >= 2)) {
    throw new Error(`it speaks version ${version}.${minor} of OPA's interface, not 1.2 or later`);
  }
  // The SDK takes the instance alone too, which its types do not say.
  type Source = ConstructorParameters<Sdk['LoadedPolicy']>[0];
  const loaded = new LoadedPolicy(instance as unknown as Source, memory, minor);
  return { loaded, memory, exports, view: Buffer.from(memory.buffer) };
}

function readJson(memory: WebAssembly.Memory, exports: Exports, value: number): object {
  return JSON.parse(textAt(memory, exports.opa_json_dump(value))) as object;
}

function writeJson(memory: WebAssembly.Memory, exports: Exports, json: string): number {
  const bytes = Buffer.from(json);
  const at = exports.opa_malloc(bytes.length);
  new Uint8Array(memory.buffer).set(bytes, at);
  const value = exports.opa_json_parse(at, bytes.length);
  if (value === 0) throw new Error('a built-in function gave what is no JSON');
  return value;
}

/** The text from an address to the next NUL. */
function textAt(memory: WebAssembly.Memory, at: number): string {
  const bytes = Buffer.from(memory.buffer, at);
  return bytes.toString('utf8', 0, bytes.indexOf(0));
}

/** The SDK takes text as it stands as an ArrayBuffer that has nothing else in it. */
function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function refuseMissing(names: readonly string[]): void {
  const functions = createBuiltins();
  const missing = names.filter((name) => !functions.has(name));
  if (missing.length === 0) return;
  throw new TailraceError(
    'policy_builtin_missing',
    `The policy bundle cannot be used: its rules call ${missing.join(', ')}, which WebAssembly does not have here. ` +
      'Build it with opa build --capabilities policies/capabilities.json to be told where.',
    { details: { missing } },
  );
}

function notStarting(thrown: unknown): TailraceError {
  return new TailraceError(
    'policy_wasm_invalid',
    `The policy bundle cannot be used: its policy.wasm does not start (${messageOf(thrown)}).`,
    { cause: thrown },
  );
}

function notLoading(thrown: unknown, bytes: number, pagesMax: number): TailraceError {
  const limit = `${(pagesMax * PAGE_BYTES) / (1 << 20)} MiB`;
  return new TailraceError(
    'policy_memory',
    `The policy bundle cannot be used: its data of ${bytes} bytes does not fit into ${limit} of WebAssembly's ` +
      `memory, where it takes some 20 times its size (${messageOf(thrown)}).`,
    { cause: thrown },
  );
}
