// What both halves of a process stand on: database, feed, catalogue, policy and tokens.
import { openTopicRules, type TopicRulesKeeper } from '../ingest/topics/keeper.ts';
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import type { Feed } from '../lib/feed/feed.ts';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createRing, RING_LIMITS } from '../lib/feed/ring.ts';
import type { Lifecycle } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { createMetrics, type Metrics } from '../lib/metrics.ts';
import { type LivePolicy, openPolicy } from '../policies/bundles/keeper.ts';
import type { Decision } from '../policies/decide/decision.ts';
import { recordOf } from '../policies/decide/mask.ts';
import type { TokenVerifier } from '../policies/tokens/verifier.ts';
import type { Database } from '../sql/connection.ts';
import { migrate } from '../sql/migrate.ts';
import { type Catalogue, openCatalogue } from '../store/catalogue.ts';
import { type DecisionLog, openDecisionLog } from '../store/decisions.ts';
import { type FeedGaps, openFeedGaps } from '../store/feed-gaps.ts';
import { startFeedSweep } from '../store/feed-writer.ts';
import { openRevocations, type RevocationStore } from '../store/revocations.ts';
import { shareBundleNews } from './bundle-news.ts';
import { startDatabase } from './database.ts';
import { keepKeys, openTokens } from './tokens.ts';

export interface Ground {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  readonly database: Database;
  readonly feed: Feed;
  /** What the feed misses; undefined where it lives and dies with this process. */
  readonly feedGaps: FeedGaps | undefined;
  readonly catalogue: Catalogue;
  readonly policy: LivePolicy;
  readonly decisions: DecisionLog<Decision>;
  readonly tokens: TokenVerifier;
  readonly revocations: RevocationStore;
  readonly topicRules: TopicRulesKeeper;
}

/** What the configuration says of the policy. */
export function policyOptions(config: Config) {
  return {
    location: config.POLICY_BUNDLE,
    token: config.POLICY_BUNDLE_TOKEN,
    keysPath: config.POLICY_KEYS,
    scope: config.POLICY_SCOPE,
    ageMaxMs: config.POLICY_AGE_MAX,
    dataDir: config.DATA_DIR,
  };
}

interface OpenedFeed {
  readonly feed: Feed;
  /** What it misses; nothing where it lives and dies with this process. */
  readonly feedGaps: FeedGaps | undefined;
}

async function openFeed(
  { config, log, metrics, lifecycle }: Pick<Ground, 'config' | 'log' | 'metrics' | 'lifecycle'>,
  database: Database,
): Promise<OpenedFeed> {
  if (config.REDIS_URL === undefined) {
    log.info('REDIS_URL is unset: feed in memory');
    const ring = createRing({ ...RING_LIMITS, metrics, log });
    lifecycle.add({ name: 'feed', stop: () => ring.stop() });
    return { feed: ring, feedGaps: undefined };
  }
  const feedGaps = lifecycle.add(await openFeedGaps({ database, log }));
  const feed = await openRedisStream({ url: config.REDIS_URL, metrics, log, gaps: feedGaps });
  lifecycle.add({ name: 'feed', stop: () => feed.stop() });
  lifecycle.add(await startFeedSweep({ database, feed, own: () => feedGaps.feedWriter, log }));
  return { feed, feedGaps };
}

/** Opens all of it, migrated; what is opened is in the lifecycle's care. */
export async function prepareGround(
  config: Config,
  log: Log,
  lifecycle: Lifecycle,
): Promise<Ground> {
  const metrics = createMetrics();
  const clock = systemClock;
  // Nobody decides before the log is open: a bundle that cannot be used is said before a database is started.
  const onDecision = (decision: Decision) => decisions.record(decision);
  const policy = lifecycle.add(
    await openPolicy({ ...policyOptions(config), metrics, log, clock, onDecision }),
  );
  const tokens = await openTokens(config, { metrics, log });
  lifecycle.add(keepKeys(tokens));
  const topicRules = lifecycle.add(
    await openTopicRules({ path: config.TOPIC_RULES, metrics, log }),
  );
  const database = await startDatabase(config, lifecycle, log, metrics);
  await migrate(database, { log });
  const mode = config.DECISION_LOG;
  const decisions = lifecycle.add(
    openDecisionLog({ database, metrics, log, mode, rowOf: recordOf }),
  );
  const { feed, feedGaps } = await openFeed({ config, log, metrics, lifecycle }, database);
  lifecycle.add(shareBundleNews({ policy, feed, log }));
  const catalogue = await openCatalogue({ database, feed, metrics, log });
  lifecycle.add({ name: 'catalogue', stop: () => catalogue.stop() });
  const revocations = lifecycle.add(
    await openRevocations({
      ...{ database, feed, clock, log, metrics },
      revocations: tokens.revocations,
    }),
  );
  const stores = { database, feed, feedGaps, catalogue, decisions, revocations };
  return { config, log, metrics, lifecycle, ...stores, policy, tokens, topicRules };
}
