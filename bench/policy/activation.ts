// Activation of a bundle with data for 10,000 users: from the file's change until its rules are in force, and for how
// long the event loop stands still meanwhile.
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../lib/clock.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { type LivePolicy, openPolicy } from '../../policies/bundles/keeper.ts';
import type { BenchCase, BenchContext } from '../case.ts';
import { packShipped } from './pack.ts';
import { groupsOfUsers } from './rule-sets.ts';
import { longestTurn } from './timing.ts';

const TARGET_STALL_MS = 10;
/** Later than any that is shipped. */
const FIRST_REVISION = 1_000_000;

interface Bench {
  /** Puts the next revision in force. */
  activate(): Promise<{ stallMs: number; tookMs: number }>;
  readonly dataJson: string;
}

async function prepare({ log, lifecycle }: BenchContext): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-bench-policy-'));
  lifecycle.add({ name: 'policy folder', stop: () => rm(folder, { recursive: true }) });
  const path = join(folder, 'bundle.tar.gz');
  const groups = groupsOfUsers();
  let revision = FIRST_REVISION;
  const { packed, dataJson } = await packShipped(revision, { groups });
  await writeFile(path, packed);
  const policy: LivePolicy = lifecycle.add(
    await openPolicy({
      ...{ metrics: createMetrics(), log, clock: systemClock, location: path },
      ...{ ageMaxMs: 86_400_000, dataDir: folder },
    }),
  );

  async function publish(next: Uint8Array): Promise<void> {
    await writeFile(`${path}.next`, next);
    await rename(`${path}.next`, path);
    const inForce = new Promise<void>((resolve) => {
      const end = policy.onChange(() => {
        end();
        resolve();
      });
    });
    await policy.check();
    await inForce;
  }

  return {
    dataJson,
    async activate() {
      revision += 1;
      const next = await packShipped(revision, { groups });
      const measured = await longestTurn(() => publish(next.packed));
      if (policy.revision !== String(revision)) throw new Error('the bundle is not in force');
      return measured;
    },
  };
}

/** Cases for time and stall. */
export async function activationCases(context: BenchContext): Promise<BenchCase[]> {
  const { activate, dataJson } = await prepare(context);
  const name = 'policy/activation of data for 10,000 users';
  let tookMs = 0;
  return [
    {
      ...{ name, unit: 'ms', better: 'less' },
      async run() {
        ({ tookMs } = await activate());
        return tookMs;
      },
      ceiling: {
        name: 'its data read by JSON.parse',
        async run() {
          const startMs = performance.now();
          JSON.parse(dataJson);
          return performance.now() - startMs;
        },
      },
    },
    {
      ...{ name: `${name}, stall`, unit: 'ms', better: 'less' },
      target: { kind: 'value', max: TARGET_STALL_MS },
      run: async () => (await activate()).stallMs,
      ceiling: {
        name: 'an idle event loop for as long',
        run: async () =>
          (await longestTurn(() => new Promise((resolve) => setTimeout(resolve, tookMs)))).stallMs,
      },
    },
  ];
}
