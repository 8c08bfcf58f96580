// Topics of more levels than aedes can match. It would close the connection before any hook sees the message, and a device
// sends it again for ever. So such a packet has another topic while aedes has it: it goes the way to the handler and to
// its acknowledgement under that, and is forwarded to nobody.
import type { EventEmitter } from 'node:events';
import type { Aedes, Client } from 'aedes';

/** What aedes' matcher takes. */
const LEVELS_MAX = 100;
/** Nobody may publish to it: topics with $ are the broker's. */
const STAND_IN = '$deep';

const topics = new WeakMap<object, string>();

/** The topic under which a client has sent a packet. */
export function topicOf(packet: { readonly topic: string }): string {
  return topics.get(packet) ?? packet.topic;
}

function isDeep(topic: string): boolean {
  return topic.length >= LEVELS_MAX && topic.split('/').length > LEVELS_MAX;
}

/** Gives what this client publishes to deep topics the other one, as soon as it is parsed. */
export function standInForDeepTopics(client: Client): void {
  // The parser is private, and no hook comes as early.
  const { _parser: parser } = client as unknown as { _parser: EventEmitter };
  parser.prependListener(
    'packet',
    (packet: { cmd: string; topic: string; retain: boolean } & object) => {
      if (packet.cmd !== 'publish' || !isDeep(packet.topic)) return;
      // aedes refuses wildcards, and is to see them.
      if (/[+#]/.test(packet.topic)) return;
      topics.set(packet, packet.topic);
      packet.topic = STAND_IN;
      packet.retain = false;
    },
  );
}

/** Lets the broker go on after a message of a deep topic, a will's too, as if it had forwarded it. */
export function forwardNoDeepTopics(aedes: Aedes): void {
  const publish = aedes.publish.bind(aedes) as (...args: unknown[]) => void;
  Object.assign(aedes, {
    publish(packet: { readonly topic: string }, ...rest: unknown[]) {
      if (packet.topic !== STAND_IN && !isDeep(packet.topic)) {
        publish(packet, ...rest);
        return;
      }
      const done = rest.at(-1);
      if (typeof done === 'function') setImmediate(done as () => void);
    },
  });
}
