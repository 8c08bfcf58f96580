// Policy: decisions, verification of tokens, activation of bundles, and how soon open tails feel what has changed.
import { systemClock } from '../../lib/clock.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import type { BenchContext, OpenArea } from '../case.ts';
import { activationCases } from '../policy/activation.ts';
import { decisionCases, decisionShareCases } from '../policy/decisions.ts';
import { loadRuleSets } from '../policy/rule-sets.ts';
import { subscriberCases } from '../policy/subscribers.ts';
import { createSwitch } from '../policy/switch.ts';
import { tokenCases } from '../policy/tokens.ts';
import { openClient } from '../services/client.ts';
import { startBenchServer } from '../services/query-server.ts';
import { createSeries, prepareGround, seedSeries } from '../setup.ts';
import { channelOf } from '../workload.ts';

const HOUR_MS = 3_600_000;
const INTERVAL_MS = 10_000;
const WIDTH = 1_200;

/** Fills an hour of one series, and starts a server whose rules can be swapped. */
export async function openPolicyArea(context: BenchContext): Promise<OpenArea> {
  const ground = await prepareGround(context);
  context.note('policy: starting a server');
  const endMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const startMs = endMs - HOUR_MS;
  const [seriesId] = await createSeries(ground, 1, startMs * 1_000);
  if (seriesId === undefined) throw new Error('no series was created');
  await seedSeries(ground.database, seriesId, { startMs, endMs, intervalMs: INTERVAL_MS });
  const { log, lifecycle } = context;
  const metrics = createMetrics();
  const rules = createSwitch(await loadPolicy({ metrics, log, clock: systemClock }));
  const server = await startBenchServer(ground, context, rules.policy);
  const { asset, channel } = channelOf(0);
  const query = new URLSearchParams({
    series: `${asset}/${channel}`,
    start: new Date(startMs).toISOString(),
    end: new Date(endMs).toISOString(),
    width: String(WIDTH),
  });
  const ask = openClient(server, lifecycle);
  const askRange = () => ask(`/v1/range?${query}`);
  const ruleSets = await loadRuleSets(context);
  context.note('policy: putting a bundle in force');
  const activation = await activationCases(context);
  return {
    cases: [
      ...decisionCases(context, ruleSets),
      ...decisionShareCases(context, ruleSets, askRange),
      ...(await tokenCases(context, askRange)),
      ...activation,
      ...subscriberCases(context, { ground, server, seriesId, rules }),
    ],
    versions: ground.versions,
  };
}
