// Sessions of a share group that nobody comes back for. A broker goes on giving such a session its share of the messages
// and throws them away when the session expires; the member itself could not leave the group when it stopped, for it may
// have been the last. So those that run look for ids of this host that nobody has taken for longer than a restart takes:
// under such an id they leave the group, work off what is queued, and end the session.
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { endSession } from '../lib/mqtt/end-session.ts';
import type { MessageHandler } from '../lib/mqtt/message.ts';
import { type SubscriptionOptions, startSubscription } from '../lib/mqtt/subscription.ts';
import type { HostId } from './client-id.ts';

export interface AdoptionTimes {
  /** How long an id has to be free: longer than a member is away that is restarted. */
  readonly graceMs: number;
  readonly lookEveryMs: number;
  /** For so long nothing may come before a session counts as worked off. */
  readonly quietMs: number;
}

const TIMES: AdoptionTimes = { graceMs: 30_000, lookEveryMs: 10_000, quietMs: 5_000 };
/** A session that cannot be had for so long is left, and tried again later. */
const CONNECT_MAX_MS = 60_000;

export interface AdoptionOptions {
  /** Ids of this host at this broker, without this process's. */
  readonly ids: readonly HostId[];
  /** As of this process's own subscription, but for the session. */
  readonly subscription: Omit<
    SubscriptionOptions,
    'clientId' | 'filters' | 'filterMemory' | 'metrics'
  > & { readonly shareGroup: string };
  /** Whether this process is in the group: only then may others' sessions leave it. */
  isMember(): boolean;
  readonly log: Log;
  readonly times?: AdoptionTimes;
}

/** Starts to look, at once and then every few seconds. */
export function adoptSessions(options: AdoptionOptions): Part {
  const { lookEveryMs } = options.times ?? TIMES;
  const stopping = new AbortController();
  const freeSinceMs = new Map<string, number>();

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await lookRound(options, freeSinceMs, stopping.signal);
      } catch (cause) {
        options.log.warn({ reason: messageOf(cause) }, 'MQTT: cannot look after absent sessions');
      }
      await delay(lookEveryMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  const ended = work();
  return {
    name: 'absent sessions',
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** Looks at each id once. */
async function lookRound(
  options: AdoptionOptions,
  freeSinceMs: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const { graceMs } = options.times ?? TIMES;
  for (const id of options.ids) {
    if (signal.aborted) return;
    if (!isOfGroup(id, options) || (await id.inUse())) {
      freeSinceMs.delete(id.clientId);
      continue;
    }
    const nowMs = performance.now();
    const sinceMs = freeSinceMs.get(id.clientId) ?? nowMs;
    freeSinceMs.set(id.clientId, sinceMs);
    if (nowMs - sinceMs < graceMs || !options.isMember()) continue;
    freeSinceMs.delete(id.clientId);
    await adopt(id, options, signal);
  }
}

/** Whether a session under this id is, as far as is remembered, in the group, and in nothing else. */
function isOfGroup({ memory }: HostId, { subscription }: AdoptionOptions): boolean {
  const filters = memory.load();
  const prefix = `$share/${subscription.shareGroup}/`;
  return filters.length > 0 && filters.every((filter) => filter.startsWith(prefix));
}

async function adopt(id: HostId, options: AdoptionOptions, signal: AbortSignal): Promise<void> {
  const { clientId } = id;
  const lock = await id.lock();
  if (lock === 'taken' || lock === 'unknown') return;
  try {
    // Another member may have been here in the meantime.
    if (!isOfGroup(id, options)) return;
    options.log.info({ clientId }, 'MQTT: nobody came back for this session: working it off');
    const messages = await workOff(id, options, signal);
    if (messages === undefined) {
      if (!signal.aborted) options.log.warn({ clientId }, 'MQTT: the session cannot be worked off');
      return;
    }
    await endSession(options.subscription.url, clientId);
    id.memory.save([]);
    options.log.info({ clientId, messages }, 'MQTT: the session is worked off and has ended');
  } finally {
    await lock.release();
  }
}

/**
 * Leaves the group in the session's name, and takes what is queued for it until nothing comes any more and all of it is
 * acknowledged. Gives the number of messages; undefined where it came to no end.
 */
async function workOff(
  { clientId, memory }: HostId,
  { subscription: common, times, log }: AdoptionOptions,
  signal: AbortSignal,
): Promise<number | undefined> {
  const { quietMs } = times ?? TIMES;
  const received = createReceived(common.handler);
  const former = memory.load();
  const subscription = startSubscription({
    ...common,
    clientId,
    handler: received.handler,
    filters: [],
    // What is remembered stays until the session has ended.
    filterMemory: { load: () => former, save: () => {} },
    // The names of this process's own are taken; what comes is counted where it is ingested.
    metrics: createMetrics(),
    log,
  });
  try {
    const startMs = performance.now();
    let lastSubscribedMs = startMs;
    let quietSinceMs = startMs;
    while (!signal.aborted) {
      await delay(Math.min(100, quietMs / 4), undefined, { signal }).catch(() => {});
      const nowMs = performance.now();
      if (subscription.subscribed()) lastSubscribedMs = nowMs;
      if (nowMs - lastSubscribedMs > CONNECT_MAX_MS) return undefined;
      if (!subscription.subscribed() || received.moved()) quietSinceMs = nowMs;
      if (nowMs - quietSinceMs >= quietMs) return received.count();
    }
    return undefined;
  } finally {
    await subscription.stop();
  }
}

/** Counts what goes through a handler. */
function createReceived(handler: MessageHandler) {
  let count = 0;
  let open = 0;
  let seen = 0;
  const counting: MessageHandler = (message, acknowledge) => {
    count++;
    open++;
    return handler(message, () => {
      open--;
      acknowledge();
    });
  };
  return {
    handler: counting,
    count: () => count,
    /** Whether something came since it was last asked, or is not acknowledged. */
    moved(): boolean {
      const has = open > 0 || count > seen;
      seen = count;
      return has;
    },
  };
}
