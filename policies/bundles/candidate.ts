// A candidate is looked through from end to end before it may decide anything: signature, roots, revision, and whether its
// rules start, fit, end, and answer as they should. It may never come back, so this runs in a thread of its own (trial.ts).
import { createHash } from 'node:crypto';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { compileModule, type PolicyImage, runImage, takeImage } from '../decide/instance.ts';
import { readVerdict } from '../decide/verdict.ts';
import { ACTIONS } from '../grant.ts';
import { ENTRYPOINT, readBundle, SIGNATURES_FILE, unpackBundle } from './bundle.ts';
import { compareRevisions } from './revision.ts';
import type { SignatureProfile } from './signature.ts';

/** The newest bundle that was in force here. */
export interface RevisionFloor {
  readonly revision: string;
  /** SHA-256 of the packed bundle, hexadecimal. */
  readonly digest: string;
  /** The same of what is in it, however it is packed and signed; absent where an earlier version wrote it down. */
  readonly contents?: string | undefined;
}

/** All that a trial needs; can be sent to another thread. */
export interface TrialOrder {
  readonly packed: Uint8Array;
  readonly signature: SignatureProfile | undefined;
  /** Older revisions are refused; undefined: any will do. */
  readonly floor: RevisionFloor | undefined;
  readonly memoryPagesMax: number;
  /** Inputs that were really asked, as the rules see them; further ones are made up. */
  readonly inputs: readonly unknown[];
  readonly nowMs: number;
}

/** What came of it; can be sent to another thread. */
export interface Candidate {
  readonly revision: string;
  readonly digest: string;
  readonly contents: string;
  readonly roots: readonly string[];
  readonly entrypoints: readonly string[];
  /** Functions that its rules call outside of WebAssembly. */
  readonly builtins: readonly string[];
  readonly signed: boolean;
  readonly bytes: {
    readonly packed: number;
    readonly wasm: number;
    readonly data: number;
    readonly memory: number;
  };
  /** How long its decisions took, µs. */
  readonly decisions: { readonly count: number; readonly medianUs: number; readonly maxUs: number };
  readonly image: PolicyImage;
}

/** What is being done, for whoever has to say where it ended. */
export type Tell = (doing: string) => void;

/** A decision holds up everything else that its thread does. */
const DECISION_MS_MAX = 100;
/** A machine that is busy is slow now and then; a rule that is slow is so each time. */
const ATTEMPTS = 3;

/**
 * Looks a candidate through. May never come back, and may take all the memory that there is.
 * @throws TailraceError `policy_bundle_invalid`, `policy_unsigned`, `policy_signature_invalid`,
 *   `policy_roots_invalid`, `policy_revision_older`, `policy_revision_reused`, `policy_revision_unordered`,
 *   `policy_wasm_invalid`, `policy_builtin_missing`, `policy_memory`, `policy_answer_invalid`, `policy_slow`.
 */
export async function examineCandidate(order: TrialOrder, tell: Tell): Promise<Candidate> {
  const { packed, signature, floor } = order;
  tell('reading it');
  const digest = createHash('sha256').update(packed).digest('hex');
  const files = unpackBundle(packed);
  if (signature !== undefined) {
    // Loaded only where it is wanted: with jose it takes this thread 0.1 s.
    const { verifySignature } = await import('./signature.ts');
    await verifySignature(files, signature);
  }
  const bundle = readBundle(files);
  const contents = contentsOf(files);
  if (floor !== undefined) refuseOlder({ revision: bundle.revision, digest, contents }, floor);
  tell('starting its policy.wasm');
  const module = compileModule(bundle.wasm);
  tell('starting its policy.wasm and loading its data');
  const image = takeImage(module, bundle.dataJson, order.memoryPagesMax);
  const decisions = tryDecisions(image, order, tell);
  const { revision, roots, entrypoints } = bundle;
  return {
    ...{ revision, digest, contents, roots, entrypoints, decisions, image },
    signed: signature !== undefined,
    builtins: Object.values(image.builtins),
    bytes: {
      packed: packed.length,
      wasm: bundle.wasm.length,
      data: bundle.dataJson.length,
      memory: image.memory.byteLength,
    },
  };
}

/** Of files in whatever order and packing. Signing anew gives other bytes for the same rules. */
function contentsOf(files: ReadonlyMap<string, Uint8Array>): string {
  const hash = createHash('sha256');
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (name === SIGNATURES_FILE) continue;
    hash.update(`${JSON.stringify(name)} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** @throws TailraceError where a candidate must not follow the bundle that was in force. */
function refuseOlder(candidate: RevisionFloor, floor: RevisionFloor): void {
  if (candidate.digest === floor.digest || candidate.contents === floor.contents) return;
  const { revision } = candidate;
  const order = compareRevisions(revision, floor.revision);
  if (order === 'newer') return;
  const advice = 'To go back to older rules, publish them again under a newer revision.';
  if (order === 'older') {
    throw new TailraceError(
      'policy_revision_older',
      `The policy bundle is refused: revision ${revision} is older than ${floor.revision}, which was in force. ${advice}`,
    );
  }
  if (order === 'same') {
    throw new TailraceError(
      'policy_revision_reused',
      `The policy bundle is refused: revision ${revision} was in force with other contents. Give what changed a ` +
        'newer revision.',
    );
  }
  throw new TailraceError(
    'policy_revision_unordered',
    `The policy bundle is refused: whether revision ${revision} is newer than ${floor.revision}, which was in force, ` +
      'cannot be told. Let revisions be whole numbers or RFC 3339 times that grow.',
  );
}

/** Asks everything once, and what took long again. */
function tryDecisions(
  image: PolicyImage,
  { inputs, nowMs }: TrialOrder,
  tell: Tell,
): Candidate['decisions'] {
  const run = runImage(image);
  const tookMs: number[] = [];
  let defined = false;
  for (const input of [...inputs, ...madeUpInputs(nowMs)]) {
    const asked = briefly(input);
    tell(`deciding ${asked}`);
    let best = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < ATTEMPTS && !(best <= DECISION_MS_MAX); attempt++) {
      const startMs = performance.now();
      const results = evaluate(() => run(input, ENTRYPOINT), asked);
      best = Math.min(best, performance.now() - startMs);
      defined = checkAnswer(results, asked) || defined;
    }
    if (best > DECISION_MS_MAX) throw slow(asked, best);
    tookMs.push(best);
  }
  if (!defined) throw invalidAnswer('its decision is undefined whatever it is asked');
  tookMs.sort((a, b) => a - b);
  const us = (ms: number | undefined): number => Math.round((ms ?? 0) * 10_000) / 10;
  const count = tookMs.length;
  return { count, medianUs: us(tookMs[count >> 1]), maxUs: us(tookMs.at(-1)) };
}

function evaluate(run: () => unknown, asked: string): unknown {
  try {
    return run();
  } catch (thrown) {
    throw invalidAnswer(`asked for ${asked} it fails (${messageOf(thrown)})`);
  }
}

/** Whether there was an answer. None denies, and that may be what a rule means for some inputs. */
function checkAnswer(results: unknown, asked: string): boolean {
  if (Array.isArray(results) && results.length === 0) return false;
  const verdict = readVerdict(results);
  if (!verdict.understood) throw invalidAnswer(`asked for ${asked}, ${verdict.fault}`);
  return true;
}

/** Every action, asked by a few kinds of callers. */
function* madeUpInputs(nowMs: number): Generator<object> {
  const exp = Math.floor(nowMs / 1_000) + 3_600;
  const caller = { sub: 'trial', tenant: 'trial', exp, jti: 'trial' };
  const subjects = [
    { ...caller, roles: ['viewer'] },
    { ...caller, roles: ['operator', 'viewer'], assets: ['rig-1', 'rig-2'] },
    { ...caller, roles: ['admin'] },
    { ...caller, roles: ['device'], assets: ['rig-1'] },
    { ...caller, roles: [] },
  ];
  const request = { start: nowMs - 3_600_000, end: nowMs, step_ms: 60_000, protocol: 'http' };
  const labels = { tenant: 'trial', asset: 'rig-1', channel: 'mud/flow' };
  for (const action of ACTIONS) {
    const about = ['write', 'publish', 'subscribe'].includes(action) ? { labels } : {};
    for (const subject of subjects) {
      yield { action, now: nowMs, subject, tenant: 'trial', request, ...about };
    }
  }
}

/** An input for people: claims are nobody's business. */
function briefly(input: unknown): string {
  const { action, subject } = input as { action?: unknown; subject?: { roles?: unknown } };
  const roles = Array.isArray(subject?.roles) ? subject.roles.join(', ') : '';
  return `${String(action)} by ${roles === '' ? 'nobody in particular' : roles}`;
}

function invalidAnswer(fault: string): TailraceError {
  return new TailraceError('policy_answer_invalid', `The policy bundle is refused: ${fault}.`);
}

function slow(asked: string, tookMs: number): TailraceError {
  return new TailraceError(
    'policy_slow',
    `The policy bundle is refused: deciding ${asked} took ${Math.round(tookMs)} ms, and may take ${DECISION_MS_MAX}.`,
  );
}
