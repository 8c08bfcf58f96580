// Runs a bundle's WebAssembly. Only this file knows OPA's SDK, which throws strings and plain objects.
import { loadPolicy } from '@open-policy-agent/opa-wasm';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { type Bundle, ENTRYPOINT } from '../bundles/bundle.ts';

/** WebAssembly's pages are 64 KiB. A policy that wants more than 256 MiB fails, and so denies. */
export const MEMORY_PAGES_MAX = 4096;
const MEMORY_PAGES_INITIAL = 5;

/** Evaluates the entrypoint at once and gives OPA's result set. Throws whatever OPA throws. */
export type Evaluate = (input: unknown) => unknown;

/** Instantiates a bundle with its data. @throws TailraceError `policy_bundle_invalid`. */
export async function createEvaluator(
  bundle: Bundle,
  memoryPagesMax = MEMORY_PAGES_MAX,
): Promise<Evaluate> {
  try {
    const pages = { initial: MEMORY_PAGES_INITIAL, maximum: memoryPagesMax };
    const loaded = await loadPolicy(bundle.wasm, pages);
    loaded.setData(bundle.data);
    return (input) => loaded.evaluate(input, ENTRYPOINT);
  } catch (thrown) {
    throw new TailraceError(
      'policy_bundle_invalid',
      `The policy bundle cannot be used: its policy.wasm does not start (${messageOf(thrown)}).`,
    );
  }
}
