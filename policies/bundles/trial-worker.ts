// The thread in which a candidate is tried: it may be ended at any moment.
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { type Candidate, examineCandidate, type TrialOrder } from './candidate.ts';

/** What the thread says: where it is, and at last what came of it. */
export type FromTrial =
  | { readonly kind: 'doing'; readonly what: string }
  | { readonly kind: 'passed'; readonly candidate: Candidate }
  | { readonly kind: 'refused'; readonly code: string; readonly detail: string };

async function main(): Promise<void> {
  const say = (message: FromTrial) => parentPort?.postMessage(message);
  try {
    const tell = (what: string) => say({ kind: 'doing', what });
    const candidate = await examineCandidate(workerData as TrialOrder, tell);
    say({ kind: 'passed', candidate });
  } catch (thrown) {
    const code = thrown instanceof TailraceError ? thrown.code : 'policy_bundle_invalid';
    say({ kind: 'refused', code, detail: messageOf(thrown) });
  }
}

await main();
