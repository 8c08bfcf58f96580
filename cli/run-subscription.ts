// The subscription at a broker outside that feeds an ingester, and in a share group the care for sessions of members that
// do not come back.
import { systemClock } from '../lib/clock.ts';
import type { MessageHandler } from '../lib/mqtt/message.ts';
import { type Subscription, startSubscription } from '../lib/mqtt/subscription.ts';
import { type AdoptionTimes, adoptSessions } from './adopt-sessions.ts';
import { claimClientId, hostIds } from './client-id.ts';
import { bothMemories, openFilterMemory } from './filter-memory.ts';
import type { Ground } from './ground.ts';

type SourceGround = Pick<Ground, 'log' | 'metrics' | 'lifecycle'> & {
  readonly config: Pick<
    Ground['config'],
    | 'MQTT_CLIENT_ID'
    | 'MQTT_SHARE_GROUP'
    | 'MQTT_SESSION_EXPIRY'
    | 'DATA_DIR'
    | 'INGEST_IN_FLIGHT_BYTES_MAX'
  >;
  readonly topicRules: {
    current(): { readonly filters: readonly string[] };
    onChange(listener: (rules: { readonly filters: readonly string[] }) => void): void;
  };
};

/** Subscribes to what the topic rules take. */
export async function startSource(
  { config, log, metrics, lifecycle, topicRules }: SourceGround,
  url: string,
  handler: MessageHandler,
  times?: AdoptionTimes,
): Promise<Subscription> {
  const { MQTT_SHARE_GROUP: shareGroup, MQTT_SESSION_EXPIRY: sessionExpiryMs } = config;
  const { clientId } = lifecycle.add(await claimClientId(config, url));
  const common = {
    url,
    ...(sessionExpiryMs === undefined
      ? {}
      : { sessionExpiryS: Math.ceil(sessionExpiryMs / 1_000) }),
    handler,
    bytesInFlightMax: config.INGEST_IN_FLIGHT_BYTES_MAX,
    log,
    clock: systemClock,
  };
  // Who names its process itself also says when that is gone for good.
  const isAdopting = shareGroup !== undefined && config.MQTT_CLIENT_ID === undefined;
  const ids = isAdopting ? hostIds(url, log) : [];
  const ownMemory = openFilterMemory({ broker: new URL(url).host, clientId }, config.DATA_DIR, log);
  const hostMemory = ids.find((id) => id.clientId === clientId)?.memory;
  const subscription = lifecycle.add(
    startSubscription({
      ...common,
      clientId,
      ...(shareGroup === undefined ? {} : { shareGroup }),
      filters: topicRules.current().filters,
      filterMemory: hostMemory === undefined ? ownMemory : bothMemories(ownMemory, hostMemory),
      metrics,
    }),
  );
  // Rules stop after the subscription: what they say then is heard by nobody.
  topicRules.onChange(({ filters }) => subscription.setFilters(filters));
  if (!isAdopting) return subscription;
  lifecycle.add(
    adoptSessions({
      ids: ids.filter((id) => id.clientId !== clientId),
      subscription: { ...common, shareGroup },
      isMember: subscription.subscribed,
      log,
      ...(times === undefined ? {} : { times }),
    }),
  );
  return subscription;
}
