// Keeps the policy of a process: looks at the source, tries what is new, puts it in force, remembers it on disk, and
// denies everything once the source has been away for too long.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TailraceError } from '../../lib/errors.ts';
import type { Part } from '../../lib/lifecycle.ts';
import { createDecisionDesk } from '../decide/decider.ts';
import type { Policy } from '../decide/decision.ts';
import { loadPolicy } from '../decide/policy.ts';
import { adopt, type Keeper, type KeeperOptions, look } from './adoption.ts';
import { createFileSource } from './file-source.ts';
import { createForce } from './force.ts';
import { createHttpSource } from './http-source.ts';
import { registerKeeperMetrics } from './keeper-metrics.ts';
import { type LastGood, openLastGood } from './last-good.ts';
import { createRounds, type Rounds } from './rounds.ts';
import { readSignatureProfile } from './signature.ts';
import type { BundleSource } from './source.ts';

/** The policy of a running process. */
export interface LivePolicy extends Policy, Part {
  /** Looks at the source now. Resolves when what it has is in force or refused; never rejects. */
  check(): Promise<void>;
}

/** With a bundle in force already, a start waits no longer than this for the source. */
const SOURCE_MAX_MS = 5_000;
/** How long a service may be away at a start that has nothing to go on with. */
const FIRST_MAX_MS = 15_000;

/**
 * Opens the policy: with what its source has, or, where that is away or bad, with the last good bundle on disk.
 * @throws TailraceError where neither will do, with the code of what is wrong with the source: of `examineCandidate`,
 *   `policy_bundle_unreadable`, `policy_source_unreachable`; `policy_keys_invalid`; `policy_last_good_unreadable`.
 */
export async function openPolicy(options: KeeperOptions): Promise<LivePolicy> {
  const { location, keysPath, scope, log } = options;
  if (location === undefined) return fixedPolicy(await loadPolicy(options));
  if (keysPath !== undefined) await readSignatureProfile(keysPath, scope);
  else log.debug('POLICY_KEYS is unset: signatures of policy bundles are not looked at');
  const shown = sourceOf(options, location).location;
  const store = openLastGood(join(options.dataDir, 'policy'), shown, log);
  const lastGood = await store.read();
  const force = createForce({ ...options, desk: createDecisionDesk(options) });
  const keeper: Keeper = {
    ...{ options, store, force, stopping: new AbortController() },
    source: sourceOf(options, location, lastGood?.record.etag),
    counts: registerKeeperMetrics(options.metrics, force, options.clock),
    ...{ floor: lastGood?.record, offered: undefined, etag: lastGood?.record.etag, keptMs: 0 },
  };
  if (lastGood !== undefined) await resume(keeper, lastGood);
  await firstLook(keeper);
  const rounds = createRounds({
    ...{ source: keeper.source, log, tick: force.tick },
    look: (signal, mayWait) => look(keeper, signal, mayWait),
  });
  rounds.start();
  return livePolicy(keeper, rounds);
}

/** The bundle shipped has no source that could change or be away. */
function fixedPolicy(policy: Policy): LivePolicy {
  const nothing = async () => undefined;
  return { ...policy, name: 'policy', check: nothing, stop: nothing };
}

/** Puts the last good bundle in force again. It was tried before; this time it may be another program that runs it. */
async function resume(keeper: Keeper, { packed, record }: LastGood): Promise<void> {
  if (packed === undefined) return;
  const { digest } = record;
  // A clock that was wrong then must not make it young for longer.
  const confirmedMs = Math.min(record.confirmed_ms, keeper.options.clock());
  try {
    await adopt(keeper, packed, { digest, confirmedMs });
    keeper.offered = { digest, taken: true };
  } catch {
    // It is noted, and the source may have a better one.
  }
}

/**
 * The look that a start waits for. Its failure is only noted where a bundle is in force already; without one, a service
 * that is away is asked again for a while.
 */
async function firstLook(keeper: Keeper): Promise<void> {
  const { source, force, options } = keeper;
  const started = force.state().at !== 'waiting';
  const maxMs = started ? SOURCE_MAX_MS : (options.firstMaxMs ?? FIRST_MAX_MS);
  const deadlineMs = performance.now() + maxMs;
  for (let failures = 1; ; failures++) {
    try {
      const leftMs = Math.max(1, Math.ceil(deadlineMs - performance.now()));
      return await look(keeper, AbortSignal.timeout(leftMs), false);
    } catch (thrown) {
      if (started) return;
      const isAway = thrown instanceof TailraceError && thrown.code === 'policy_source_unreachable';
      const pauseMs = source.pauseMs(failures);
      if (!isAway || performance.now() + pauseMs >= deadlineMs) throw thrown;
      await delay(pauseMs);
    }
  }
}

function livePolicy({ force, source, stopping }: Keeper, rounds: Rounds): LivePolicy {
  return {
    name: 'policy',
    get revision() {
      return force.decider().revision;
    },
    decide: (input) => force.decider().decide(input),
    pin: () => force.decider(),
    onChange: force.onChange,
    status() {
      force.decider();
      const state = force.state();
      if (state.at === 'waiting') throw new Error('no policy is in force yet');
      const { revision, activatedMs, confirmedMs } = state.bundle;
      const status = { revision, source: source.location, state: state.at };
      const fault = state.fault === undefined ? {} : { fault: state.fault };
      return { ...status, activatedMs, confirmedMs, ...fault };
    },
    check: rounds.check,
    async stop() {
      stopping.abort();
      await rounds.stop();
    },
  };
}

/** The source at a path or URL; `etag` is of what a service need not send again, unless it is asked anew. */
export function sourceOf(
  { token, ageMaxMs }: Pick<KeeperOptions, 'token'> & Partial<Pick<KeeperOptions, 'ageMaxMs'>>,
  location: string,
  etag?: string,
): BundleSource {
  if (!/^https?:/i.test(location)) return createFileSource(location);
  return createHttpSource({ url: location, token, etag, ageMaxMs });
}
