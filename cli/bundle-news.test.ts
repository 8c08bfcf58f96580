// Processes of one deployment come to the same bundle within five seconds after it was published.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Feed } from '../lib/feed/feed.ts';
import { openRedisStream } from '../lib/feed/redis-stream.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { openPolicy } from '../policies/bundles/keeper.ts';
import { startBundleService } from '../test/bundle-service.ts';
import { makeBundle, publish } from '../test/bundles.ts';
import { eventually } from '../test/program.ts';
import { startRedis } from '../test/redis.ts';
import { shareBundleNews } from './bundle-news.ts';

const CONVERGE_MAX_MS = 5_000;

/** Two processes with a Redis between them, each with its own folder. */
async function deployment(location: string) {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-news-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const log = createLog('silent');
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const policies = [];
  const feeds: Feed[] = [];
  for (const name of ['a', 'b']) {
    const policy = await openPolicy({
      ...{ metrics: createMetrics(), log, clock: Date.now, location, ageMaxMs: 86_400_000 },
      dataDir: join(folder, name),
    });
    const feed = await openRedisStream({ url: redis.url, metrics: createMetrics(), log });
    const news = shareBundleNews({ policy, feed, log });
    onTestFinished(async () => {
      await news.stop();
      await feed.stop();
      await policy.stop();
    });
    feeds.push(feed);
    policies.push(policy);
  }
  return { feeds, policies };
}

async function convergence(
  { policies }: Awaited<ReturnType<typeof deployment>>,
  revision: string,
): Promise<number> {
  const startMs = performance.now();
  await eventually(
    async () => policies.map((policy) => policy.revision),
    (revisions) => revisions.every((found) => found === revision),
  );
  return performance.now() - startMs;
}

it('from a bundle service that is polled, and each new revision is told of once or twice', async () => {
  const service = await startBundleService();
  onTestFinished(() => service.stop());
  service.serve(makeBundle({ revision: '1' }));
  const processes = await deployment(service.url);
  const told: string[] = [];
  processes.feeds[0]?.follow((record) => {
    if (record.kind === 'bundle') told.push(record.revision);
  });
  service.serve(makeBundle({ revision: '2' }));
  expect(await convergence(processes, '2')).toBeLessThan(CONVERGE_MAX_MS);
  await eventually(
    async () => told.length,
    (records) => records > 0,
  );
  expect(told.every((revision) => revision === '2')).toBe(true);
});

it('from a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tailrace-news-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'plant.tar.gz');
  await publish(path, makeBundle({ revision: '1' }));
  const processes = await deployment(path);
  await publish(path, makeBundle({ revision: '2' }));
  expect(await convergence(processes, '2')).toBeLessThan(CONVERGE_MAX_MS);
});
