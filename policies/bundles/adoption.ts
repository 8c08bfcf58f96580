// What comes of a look at the source: a candidate on trial, put in force and kept on disk, or refused; or the news that
// the source still has what is in force.
import { webcrypto } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { OnDecision } from '../decide/decision.ts';
import { adoptEvaluator } from '../decide/evaluator.ts';
import { MEMORY_PAGES_MAX } from '../decide/instance.ts';
import type { Candidate, RevisionFloor } from './candidate.ts';
import type { Force } from './force.ts';
import type { KeeperCounts } from './keeper-metrics.ts';
import type { Fault, InForce } from './keeper-state.ts';
import type { LastGoodStore } from './last-good.ts';
import { readSignatureProfile } from './signature.ts';
import type { BundleSource, Finding } from './source.ts';
import { tryCandidate } from './trial.ts';

export interface KeeperOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  /** Path or URL; undefined: the bundle that comes with the program. */
  readonly location: string | undefined;
  /** Bearer token for a URL. */
  readonly token?: string | undefined;
  /** File with the public keys that bundles have to be signed with; undefined: signatures are not looked at. */
  readonly keysPath?: string | undefined;
  readonly scope?: string | undefined;
  readonly ageMaxMs: number;
  /** DATA_DIR: the last good bundle is kept below it. */
  readonly dataDir: string;
  readonly onDecision?: OnDecision;
  readonly memoryPagesMax?: number;
  readonly trialMaxMs?: number;
  /** How long a service may be away at the first start of all, when there is nothing to go on with. */
  readonly firstMaxMs?: number;
}

/** A keeper's parts, and what it knows beside the state of what is in force. */
export interface Keeper {
  readonly options: KeeperOptions;
  readonly source: BundleSource;
  readonly store: LastGoodStore;
  readonly force: Force;
  readonly counts: KeeperCounts;
  readonly stopping: AbortController;
  /** The newest bundle that was ever in force here. */
  floor: RevisionFloor | undefined;
  offered: Offered | undefined;
  /** ETag of what is in force. */
  etag: string | undefined;
  /** The confirmation that was written down last; ms since 1970. */
  keptMs: number;
}

/** What the source offered last: taken, or refused and kept for another trial. */
type Offered =
  | { readonly digest: string; readonly taken: true }
  | {
      readonly digest: string;
      readonly taken: false;
      readonly packed: Uint8Array;
      readonly etag: string | undefined;
      readonly refusedMs: number;
    };

/** What is refused is tried again then, if it is still offered: the machine was busy, or the keys are others now. */
const RETRY_MS = 120_000;

/** How often it is written down that the source confirms the bundle. */
const KEEP_CONFIRMED_MS = 60_000;

/**
 * One look, from the question to what comes of it. What went wrong is noted where it throws, unless `signal` called the
 * look off.
 */
export async function look(keeper: Keeper, signal: AbortSignal, mayWait: boolean): Promise<void> {
  let finding: Finding;
  try {
    // With nothing in force nothing may be answered with "unchanged", whatever was found before.
    const anew = keeper.force.state().at === 'waiting';
    finding = await keeper.source.look({ signal, mayWait, anew });
  } catch (thrown) {
    if (signal.aborted && (signal.reason as Error).name !== 'TimeoutError') throw thrown;
    noteSourceFailure(keeper, thrown);
    throw thrown;
  }
  await take(keeper, finding);
}

async function take(keeper: Keeper, finding: Finding): Promise<void> {
  const { offered } = keeper;
  if (finding.kind === 'unchanged') {
    // What was refused and is still there confirms nothing.
    if (offered?.taken === true) await confirm(keeper);
    if (offered?.taken === false) await retry(keeper, offered);
    return;
  }
  const { packed, etag } = finding;
  const digest = await digestOf(packed);
  const state = keeper.force.state();
  if (state.at !== 'waiting' && state.bundle.digest === digest) {
    keeper.etag = etag;
    keeper.offered = { digest, taken: true };
    await confirm(keeper);
  } else if (offered?.taken === false && offered.digest === digest) {
    await retry(keeper, offered);
  } else await consider(keeper, packed, digest, etag);
}

async function retry(keeper: Keeper, offered: Offered & { taken: false }): Promise<void> {
  if (performance.now() - offered.refusedMs < RETRY_MS) return;
  await consider(keeper, offered.packed, offered.digest, offered.etag);
}

/** Tries what the source offers, puts it in force and keeps it. @throws TailraceError where it is refused. */
async function consider(
  keeper: Keeper,
  packed: Uint8Array,
  digest: string,
  etag: string | undefined,
): Promise<void> {
  const { clock } = keeper.options;
  try {
    await adopt(keeper, packed, { digest, confirmedMs: clock() });
  } catch (thrown) {
    const refusedMs = performance.now();
    keeper.offered = { digest, taken: false, packed, etag, refusedMs };
    throw thrown;
  }
  keeper.etag = etag;
  keeper.offered = { digest, taken: true };
  await keep(keeper, packed);
}

/** Tries a bundle and puts it in force. @throws TailraceError where it is refused, which is noted. */
export async function adopt(
  keeper: Keeper,
  packed: Uint8Array,
  { digest, confirmedMs }: Pick<InForce, 'digest' | 'confirmedMs'>,
): Promise<void> {
  const { force, source, counts, options } = keeper;
  force.dispatch({ kind: 'candidate', digest });
  try {
    const candidate = await tried(keeper, packed);
    const evaluate = await adoptEvaluator(candidate.image);
    const { revision, contents, decisions, bytes } = candidate;
    force.activate({ revision, digest, activatedMs: options.clock(), confirmedMs }, evaluate);
    keeper.floor = { revision, digest, contents };
    counts.activated();
    const { location } = source;
    options.log.info(
      { revision, source: location, decisions, bytes },
      'a policy bundle is in force',
    );
  } catch (thrown) {
    noteRefusal(keeper, thrown);
    throw thrown;
  }
}

async function tried(keeper: Keeper, packed: Uint8Array): Promise<Candidate> {
  const { floor, stopping, force, options } = keeper;
  const { keysPath, scope, trialMaxMs, memoryPagesMax = MEMORY_PAGES_MAX } = options;
  // Read each time: new keys need no restart.
  const signature =
    keysPath === undefined ? undefined : await readSignatureProfile(keysPath, scope);
  const asked = { inputs: force.recentInputs(), nowMs: options.clock() };
  return tryCandidate(
    { packed, signature, floor, memoryPagesMax, ...asked },
    { signal: stopping.signal, ...(trialMaxMs === undefined ? {} : { maxMs: trialMaxMs }) },
  );
}

async function confirm(keeper: Keeper): Promise<void> {
  const { force, source, options } = keeper;
  const nowMs = options.clock();
  if (force.state().fault !== undefined) {
    options.log.info({ source: source.location }, 'the source of the policy has what is in force');
  }
  force.dispatch({ kind: 'confirmed', atMs: nowMs });
  if (nowMs - keeper.keptMs >= KEEP_CONFIRMED_MS) await keep(keeper);
}

/** Writes down what is in force. A disk that is full is no reason not to decide. */
async function keep(keeper: Keeper, packed?: Uint8Array): Promise<void> {
  const { force, store, etag, options } = keeper;
  const state = force.state();
  if (state.at === 'waiting') return;
  const { revision, digest, activatedMs, confirmedMs } = state.bundle;
  const contents = keeper.floor?.contents;
  const times = { activated_ms: activatedMs, confirmed_ms: confirmedMs };
  keeper.keptMs = confirmedMs;
  try {
    await store.keep(
      {
        ...{ revision, digest, ...times },
        ...(contents === undefined ? {} : { contents }),
        ...(etag === undefined ? {} : { etag }),
      },
      packed,
    );
  } catch (cause) {
    options.log.error(
      { fault: messageOf(cause) },
      'the policy bundle in force cannot be kept on disk: a start without the source will not have it',
    );
  }
}

function noteRefusal({ force, source, counts, stopping, options }: Keeper, thrown: unknown): void {
  const fault = faultOf(thrown, options.clock());
  force.dispatch({ kind: 'refused', fault });
  if (stopping.signal.aborted) return;
  counts.refused(fault.code);
  const state = force.state();
  const inForce = state.at === 'waiting' ? undefined : state.bundle.revision;
  options.log.error({ ...fault, source: source.location, inForce }, 'a policy bundle is refused');
}

/** Said once in the log for as long as it is the same, and counted each time. */
function noteSourceFailure({ force, source, counts, options }: Keeper, thrown: unknown): void {
  const fault = faultOf(thrown, options.clock());
  const known = force.state().fault?.code === fault.code;
  force.dispatch({ kind: 'source_failed', fault });
  counts.sourceFailed(fault.code);
  const { location } = source;
  if (!known)
    options.log.error({ ...fault, source: location }, 'the policy has no word from its source');
}

function faultOf(thrown: unknown, atMs: number): Fault {
  const code = thrown instanceof TailraceError ? thrown.code : 'policy_failed';
  return { code, detail: messageOf(thrown), atMs };
}

/** Off this thread: 8 MB take 20 ms. */
async function digestOf(packed: Uint8Array): Promise<string> {
  const digest = await webcrypto.subtle.digest('SHA-256', packed);
  return Buffer.from(digest).toString('hex');
}
