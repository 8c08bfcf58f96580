// The ingesting half of the program put together by hand, which kills itself at the point that CRASH_AT names, when it
// passes there for the CRASH_AFTER-th time. Runs from the built files. Says `ready` on standard output. Its feed is in memory,
// or in Redis with REDIS_URL.
//   after_commit, after_feed, after_acknowledgement; none of them: it serves until it is killed.
import { createIngester } from '../dist/ingest/ingester.js';
import { openRedisStream } from '../dist/lib/feed/redis-stream.js';
import { createRing } from '../dist/lib/feed/ring.js';
import { createLog } from '../dist/lib/log.js';
import { createMetrics } from '../dist/lib/metrics.js';
import { startEmbeddedBroker } from '../dist/lib/mqtt/embedded-broker.js';
import { startSubscription } from '../dist/lib/mqtt/subscription.js';
import { openDatabase } from '../dist/sql/connection.js';
import { startEmbeddedDatabase } from '../dist/sql/embedded/engine.js';
import { migrate } from '../dist/sql/migrate.js';
import { openCatalogue } from '../dist/store/catalogue.js';
import { insertDeadLetters } from '../dist/store/dead-letters.js';
import { openFeedGaps } from '../dist/store/feed-gaps.js';
import { claimFeedWriter, startFeedSweep } from '../dist/store/feed-writer.js';
import { createWriter } from '../dist/store/writer.js';

const { DATA_DIR, MQTT_URL, MQTT_PORT, REDIS_URL, CRASH_AT, CRASH_AFTER = '1' } = process.env;
let passesLeft = Number(CRASH_AFTER);

function pass(point) {
  if (point === CRASH_AT && --passesLeft === 0) process.kill(process.pid, 'SIGKILL');
}

const log = createLog('error');
const metrics = createMetrics();
const engine = await startEmbeddedDatabase({ dataDir: DATA_DIR, log });
const database = await openDatabase({ url: engine.url, embedded: true, log });
await migrate(database, { log });

/** With the number under which its writer is accountable for what the feed outside gets. */
async function openFeed() {
  if (REDIS_URL === undefined) {
    const limits = { recordsMax: 10_000, pointsMax: 1_000_000, bytesMax: 64 << 20 };
    return { feed: createRing({ ...limits, metrics, log }) };
  }
  const gaps = await openFeedGaps({ database, log });
  const feed = await openRedisStream({ url: REDIS_URL, metrics, log, gaps });
  await startFeedSweep({ database, feed, own: () => gaps.feedWriter, log });
  const { id } = await claimFeedWriter(database, log);
  gaps.actAs(id);
  return { feed, feedWriter: id };
}

const { feed, feedWriter } = await openFeed();
const catalogue = await openCatalogue({ database, feed, metrics, log });
const writer = createWriter({ database, log, metrics, feedWriter });
const ingester = createIngester({
  catalogue,
  writer: {
    async write(batch) {
      const outcome = await writer.write(batch);
      pass('after_commit');
      return outcome;
    },
  },
  insertDeadLetters: (letters) => insertDeadLetters(database, letters),
  feed: {
    async append(record) {
      const position = await feed.append(record);
      pass('after_feed');
      return position;
    },
  },
  metrics,
  log,
  clock: Date.now,
});

function handler(message, acknowledge) {
  return ingester.handle(message, () => {
    acknowledge();
    // By then the acknowledgement is on the wire.
    if (CRASH_AT === 'after_acknowledgement') setImmediate(() => setImmediate(pass, CRASH_AT));
  });
}

const source = { handler, metrics, log, clock: Date.now };
if (MQTT_URL === undefined) {
  await startEmbeddedBroker({
    ...source,
    host: '127.0.0.1',
    port: Number(MQTT_PORT),
    authenticate: async () => ({ tenant: undefined }),
    authorizePublish: () => true,
    authorizeSubscribe: () => true,
  });
} else {
  await startSubscription({ ...source, url: MQTT_URL, clientId: 'tailrace-crash' }).ready;
}
process.stdout.write('ready\n');
