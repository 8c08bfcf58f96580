// The roots of a bundle: what it may hold. OPA's rules for them (Manifest.validateAndInjectDefaults).
import { TailraceError } from '../../lib/errors.ts';

/** Where tailrace's own question is answered. */
const OWN_ROOT = 'tailrace';

/**
 * Checks that the roots do not overlap, that they have `tailrace` in them, and that they cover entrypoints and data.
 * @throws TailraceError `policy_roots_invalid`.
 */
export function refuseOutside(
  roots: readonly string[],
  entrypoints: readonly string[],
  data: Readonly<Record<string, unknown>>,
): void {
  const split = roots.map(segmentsOf);
  for (const [index, root] of split.entries()) {
    const other = split.slice(index + 1).find((one) => contains(root, one) || contains(one, root));
    if (other !== undefined) {
      throw invalid(`its roots ${root.join('/')} and ${other.join('/')} overlap`);
    }
  }
  if (!covers(split, [OWN_ROOT])) throw invalid(`its roots have no ${OWN_ROOT} among them`);
  const foreign = entrypoints.find((entrypoint) => !covers(split, segmentsOf(entrypoint)));
  if (foreign !== undefined) throw invalid(`its roots do not cover the entrypoint ${foreign}`);
  const stray = strayData(split, data, []);
  if (stray !== undefined) throw invalid(`its roots do not cover the data at ${stray.join('/')}`);
}

/** The first path of data that is below no root; objects on the way to a root may be there. */
function strayData(
  roots: readonly (readonly string[])[],
  node: Readonly<Record<string, unknown>>,
  path: readonly string[],
): readonly string[] | undefined {
  for (const [name, value] of Object.entries(node)) {
    const at = [...path, name];
    if (covers(roots, at)) continue;
    if (!isObject(value) || !roots.some((root) => contains(at, root))) return at;
    const stray = strayData(roots, value, at);
    if (stray !== undefined) return stray;
  }
  return undefined;
}

function covers(roots: readonly (readonly string[])[], path: readonly string[]): boolean {
  return roots.some((root) => contains(root, path));
}

function contains(root: readonly string[], path: readonly string[]): boolean {
  return root.every((segment, index) => segment === path[index]);
}

/** The empty root is everything. */
function segmentsOf(path: string): readonly string[] {
  return path === '' ? [] : path.split('/');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(fault: string): TailraceError {
  return new TailraceError(
    'policy_roots_invalid',
    `The policy bundle is refused: ${fault}. Its .manifest says its roots.`,
  );
}
