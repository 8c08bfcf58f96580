// Evaluates a bundle's entrypoint in this thread.
import { type Bundle, ENTRYPOINT } from '../bundles/bundle.ts';
import {
  adoptImage,
  compileModule,
  MEMORY_PAGES_MAX,
  type PolicyImage,
  runImage,
  takeImage,
} from './instance.ts';

/** Evaluates the entrypoint at once and gives OPA's result set. Throws whatever OPA throws. */
export type Evaluate = (input: unknown) => unknown;

/**
 * Makes the evaluator of a bundle. Blocks while the data is loaded: a running process takes an image made elsewhere
 * (`adoptEvaluator`).
 * @throws TailraceError `policy_wasm_invalid`, `policy_builtin_missing`, `policy_memory`.
 */
export function createEvaluator(bundle: Bundle, memoryPagesMax = MEMORY_PAGES_MAX): Evaluate {
  const data = Buffer.from(JSON.stringify(bundle.data));
  const run = runImage(takeImage(compileModule(bundle.wasm), data, memoryPagesMax));
  return (input) => run(input, ENTRYPOINT);
}

/** Makes the evaluator of an image that another thread took. */
export async function adoptEvaluator(image: PolicyImage): Promise<Evaluate> {
  const run = await adoptImage(image);
  return (input) => run(input, ENTRYPOINT);
}
