// Looks a bundle through as a running process would, for people who ask: the same source, signature and trial, and no
// effect.
import type { Clock } from '../../lib/clock.ts';
import { MEMORY_PAGES_MAX } from '../decide/instance.ts';
import type { KeeperOptions } from './adoption.ts';
import type { Candidate } from './candidate.ts';
import { sourceOf } from './keeper.ts';
import { readSignatureProfile } from './signature.ts';
import { tryCandidate } from './trial.ts';

/** @throws TailraceError with the code of why it would not be taken. */
export async function inspectBundle(
  options: Pick<KeeperOptions, 'token' | 'keysPath' | 'scope'> & {
    readonly location: string;
    readonly clock: Clock;
  },
): Promise<Candidate> {
  const { location, token, keysPath, scope, clock } = options;
  const source = sourceOf({ token }, location);
  const { signal } = new AbortController();
  const finding = await source.look({ signal, mayWait: false, anew: true });
  if (finding.kind !== 'found') throw new Error('a source asked anew has no news');
  const signature =
    keysPath === undefined ? undefined : await readSignatureProfile(keysPath, scope);
  return tryCandidate({
    ...{ packed: finding.packed, signature, floor: undefined },
    ...{ memoryPagesMax: MEMORY_PAGES_MAX, inputs: [], nowMs: clock() },
  });
}
