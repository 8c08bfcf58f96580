// The demo's devices, as a process of its own: it writes what is missing of the past, newest first, and goes on with the
// present, over MQTT like any device. Environment: DEMO_MQTT_URL; DEMO_HTTP_URL and DEMO_TOKEN to learn what is there.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../lib/errors.ts';
import { createLog, type Log } from '../../lib/log.ts';
import { connectPublisher, type Publisher } from '../../lib/mqtt/publisher.ts';
import { assetNotes } from './channels.ts';
import { type HistoryPiece, type Known, planHistory } from './history.ts';
import { type DemoSource, demoSources, type OutMessage } from './sources.ts';

/** How long to wait for the query server's word on what is there, before all of the past is written again. */
const KNOWN_WAIT_MS = 3_000;
/** The past may have few messages under way, so that the present is never behind it for long. */
const HISTORY_WINDOW = 3;
const LIVE_WINDOW = 64;
const TICK_MS = 100;
/** After a pause (a broker away, a laptop asleep) the present is caught up from here at most. */
const CATCH_UP_MAX_MS = 60_000;

interface SeriesListing {
  readonly series: readonly { asset: string; first: number | null; last: number | null }[];
  readonly next?: string;
}

/** Oldest and newest reading by asset, of what the query server has. */
async function readKnown(httpUrl: string, token: string): Promise<Map<string, Known>> {
  const known = new Map<string, Known>();
  const url = new URL('/v1/series?limit=1000', httpUrl);
  const answer = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(KNOWN_WAIT_MS),
  });
  if (!answer.ok) throw new Error(`GET /v1/series: ${answer.status} ${await answer.text()}`);
  const listing = (await answer.json()) as SeriesListing;
  for (const { asset, first, last } of listing.series) {
    if (first === null || last === null) continue;
    const before = known.get(asset);
    known.set(asset, {
      firstMs: Math.min(first, before?.firstMs ?? first),
      lastMs: Math.max(last, before?.lastMs ?? last),
    });
  }
  return known;
}

async function knownOrNothing(log: Log): Promise<Map<string, Known>> {
  const { DEMO_HTTP_URL: httpUrl, DEMO_TOKEN: token } = process.env;
  if (httpUrl === undefined || token === undefined) return new Map();
  try {
    return await readKnown(httpUrl, token);
  } catch (cause) {
    log.warn(
      { cause: messageOf(cause) },
      'cannot see what the demo wrote before; it writes all of it',
    );
    return new Map();
  }
}

async function publishAll(publisher: Publisher, messages: Iterable<OutMessage>): Promise<void> {
  for (const { topic, payload } of messages) await publisher.publish(topic, payload);
}

/** Writes the past. Between two pieces, and between two messages, it looks whether it is still wanted. */
async function writeHistory(
  publisher: Publisher,
  sources: readonly DemoSource[],
  pieces: readonly HistoryPiece[],
  log: Log,
): Promise<void> {
  const byAsset = new Map(sources.map((source) => [source.asset, source]));
  for (const piece of pieces) {
    const source = byAsset.get(piece.asset);
    if (source !== undefined) await publishAll(publisher, source.history(piece.fromMs, piece.toMs));
    // Computing a piece takes a while; the present gets its turn.
    await sleep(0);
  }
  await publisher.flush();
  if (pieces.length > 0) log.info('the past is written');
}

/** Publishes the present, each source's readings as they become due, until told to end. */
async function publishPresent(
  publisher: Publisher,
  sources: readonly DemoSource[],
  sinceMs: number,
  signal: AbortSignal,
): Promise<void> {
  let fromMs = sinceMs;
  while (!signal.aborted) {
    const nowMs = Date.now();
    fromMs = Math.max(fromMs, nowMs - CATCH_UP_MAX_MS);
    for (const source of sources) await publishAll(publisher, source.live(fromMs, nowMs));
    fromMs = Math.max(fromMs, nowMs);
    await sleep(TICK_MS, undefined, { signal });
  }
}

async function main(): Promise<void> {
  const log = createLog(process.env.LOG_LEVEL ?? 'info');
  const url = process.env.DEMO_MQTT_URL;
  if (url === undefined)
    throw new Error('DEMO_MQTT_URL says which broker to publish to; it is not set');
  const ending = new AbortController();
  const connect = (role: string, windowMax: number): Publisher =>
    connectPublisher({
      url,
      clientId: `tailrace-demo-${role}-${process.pid}`,
      windowMax,
      onConnection: (connected, cause) =>
        log.debug({ role, connected, cause: cause?.message }, 'demo publisher'),
    });
  const live = connect('live', LIVE_WINDOW);
  const past = connect('history', HISTORY_WINDOW);
  const end = (): void => ending.abort();
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  // Started by a process that has gone without a word: nobody is there to publish to.
  process.on('disconnect', end);

  const nowMs = Date.now();
  const sources = demoSources();
  const pieces = planHistory(nowMs, sources, await knownOrNothing(log));
  log.info(
    { pieces: pieces.length, assets: assetNotes },
    'demo publisher: replayed and simulated data',
  );
  const work = Promise.all([
    writeHistory(past, sources, pieces, log),
    publishPresent(live, sources, nowMs, ending.signal),
  ]).catch((cause: unknown) => {
    if (!ending.signal.aborted) throw cause;
  });
  const stopped = new Promise<void>((resolve) => {
    ending.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([work, stopped]);
  await Promise.all([live.stop(), past.stop()]);
  await work;
}

try {
  await main();
  process.exit(0);
} catch (thrown) {
  process.stderr.write(`tailrace demo publisher: ${messageOf(thrown)}\n`);
  process.exit(1);
}
