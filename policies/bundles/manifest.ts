// A bundle's manifest and data, checked by hand: to load zod takes the thread of a trial 0.15 s, most of its start.

export interface Manifest {
  readonly revision: string;
  readonly roots: readonly string[];
  /** Whatever the author wrote beside. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly wasm: readonly { readonly entrypoint: string; readonly module: string }[];
}

const REVISION_CHARACTERS_MAX = 200;

/** Checks a manifest as JSON has it. @throws Error that says what is wrong. */
export function readManifest(value: unknown): Manifest {
  const { revision, roots = [''], metadata = {}, wasm } = readObject(value);
  if (!isText(revision) || revision === '' || revision.length > REVISION_CHARACTERS_MAX) {
    throw new Error(`revision is no text of 1 to ${REVISION_CHARACTERS_MAX} characters`);
  }
  if (!Array.isArray(roots) || !roots.every(isText)) throw new Error('roots is no list of paths');
  if (!isObject(metadata)) throw new Error('metadata is no object');
  if (!Array.isArray(wasm) || !wasm.every(isModule)) {
    throw new Error('wasm is no list of {entrypoint, module}');
  }
  return { revision, roots, metadata, wasm };
}

/** @throws Error where it is none. */
export function readObject(value: unknown): Readonly<Record<string, unknown>> {
  if (!isObject(value)) throw new Error('it is no object');
  return value;
}

function isModule(value: unknown): value is Manifest['wasm'][number] {
  return isObject(value) && isText(value.entrypoint) && isText(value.module);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
