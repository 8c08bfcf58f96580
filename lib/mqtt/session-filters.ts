// The filters of one session at a broker: what it is subscribed to, what it should be, and the way from one to the other.
// New filters come first and old ones go after, so that no message falls between them.
import type { ISubscriptionGrant, MqttClient } from 'mqtt';

/** Keeps the filters of a session over the process's end: the broker does, and cannot be asked for them. */
export interface FilterMemory {
  load(): readonly string[];
  /** Must not throw. */
  save(filters: readonly string[]): void;
}

export interface SessionFilters {
  /** Says what there should be from now on. */
  want(filters: readonly string[]): void;
  /** The broker has forgotten the session. */
  forget(): void;
  /**
   * Subscribes and unsubscribes at QoS 1 until the session is as it should be. Gives the filters that the broker
   * refuses, and how many it has granted.
   * @throws Error when the connection ends before.
   */
  settle(client: MqttClient): Promise<{ refused: readonly string[]; granted: number }>;
}

/** Filters in one packet: brokers bound its size. */
const FILTERS_PER_PACKET = 200;

/** Makes the filters of a session; `prefix` (of a share group) stands before each on the wire. */
export function createSessionFilters(
  filters: readonly string[],
  prefix: string,
  memory?: FilterMemory,
): SessionFilters {
  const onWire = (some: readonly string[]) => some.map((filter) => prefix + filter);
  let wanted = onWire(filters);
  /** Granted to this process. */
  const granted = new Set<string>();
  /** Of this session before this process, perhaps. */
  const former = new Set(memory?.load() ?? []);

  async function change(client: MqttClient): Promise<string[]> {
    const goal = wanted;
    const kept = new Set(goal);
    const added = goal.filter((filter) => !granted.has(filter));
    const removed = [...new Set([...former, ...granted])].filter((filter) => !kept.has(filter));
    if (added.length === 0 && removed.length === 0) return [];
    memory?.save([...new Set([...former, ...granted, ...goal])]);
    const refused: string[] = [];
    for (const some of chunksOf(added)) refused.push(...(await subscribe(client, some)));
    for (const filter of added) if (!refused.includes(filter)) granted.add(filter);
    for (const some of chunksOf(removed)) await client.unsubscribeAsync(some);
    for (const filter of removed) granted.delete(filter);
    former.clear();
    memory?.save([...granted]);
    return refused;
  }

  return {
    want(some) {
      wanted = onWire(some);
    },
    forget() {
      granted.clear();
      former.clear();
    },
    async settle(client) {
      for (;;) {
        const goal = wanted;
        const refused = await change(client);
        if (goal === wanted) return { refused, granted: granted.size };
      }
    },
  };
}

function chunksOf(filters: readonly string[]): string[][] {
  const chunks: string[][] = [];
  for (let i = 0; i < filters.length; i += FILTERS_PER_PACKET) {
    chunks.push(filters.slice(i, i + FILTERS_PER_PACKET));
  }
  return chunks;
}

/** Asks for filters; gives those that are refused. */
function subscribe(client: MqttClient, filters: readonly string[]): Promise<readonly string[]> {
  // Retained messages only with a subscription that is new (rh, MQTT 5): a reconnection is no reason to send them all.
  const wanted = Object.fromEntries(filters.map((filter) => [filter, { qos: 1, rh: 1 } as const]));
  return new Promise((resolve, reject) => {
    client.subscribe(wanted, (error) => {
      const codes = error === null ? [] : grantsOf(error);
      if (codes === undefined) reject(error);
      else resolve(filters.filter((_, i) => (codes[i] ?? 0) >= REFUSED));
    });
  });
}

/** Codes of a SUBACK from here on are refusals, in 3.1.1 and 5. */
const REFUSED: ISubscriptionGrant['qos'] = 128;

/** What a broker answered that refuses some; undefined where it did not answer. */
function grantsOf(error: Error): readonly number[] | undefined {
  if (!('packet' in error)) return undefined;
  const { packet } = error as { packet?: { granted?: readonly number[] } };
  return packet?.granted;
}
