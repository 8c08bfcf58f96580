// Where a topic's readings belong, and what may be the name of a tenant, an asset or a channel.
import type { Fault } from '../fault.ts';

/** Payload formats that a rule may name; without one, the payload is looked at. */
export const FORMATS = ['json', 'msgpack', 'cbor', 'line', 'csv'] as const;
export type Format = (typeof FORMATS)[number];

/** Where a topic's readings belong, and how its payload is to be read. */
export interface TopicTarget {
  readonly tenant: string;
  readonly asset: string;
  /**
   * A payload with several values appends `/` and a key. '' where the topic names no channel: then the keys alone are
   * the channels, and a reading without a key has no place.
   */
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly format?: Format;
  /** IANA name of the zone of times that say neither Z nor an offset; without it such times are faults. */
  readonly timeZone?: string;
  /** Unit of what has no unit under its key in `units`. */
  readonly unit?: string;
  /** Unit by key of the payload. */
  readonly units?: Readonly<Record<string, string>>;
}

/** The unit of a topic's readings under a key of the payload, '' for the channel itself; null where nobody says. */
export function unitOf({ unit, units }: TopicTarget, key: string): string | null {
  if (units !== undefined && Object.hasOwn(units, key)) return units[key] ?? null;
  return unit ?? null;
}

/** The channel of a reading under a key of the payload, '' for none. */
export function channelOf({ channel }: TopicTarget, key: string): string {
  if (key === '') return channel;
  return channel === '' ? key : `${channel}/${key}`;
}

/** In bytes of UTF-8. Together they stay below what a btree entry takes (2,704 bytes), which the identity is kept in. */
const PART_BYTES_MAX = { tenant: 128, asset: 256, channel: 1024 } as const;

/** Control characters, MQTT's wildcards and characters that are no text (lone surrogates). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f+#\p{Cs}]/u;

function longFault(part: keyof typeof PART_BYTES_MAX, text: string): Fault | undefined {
  const max = PART_BYTES_MAX[part];
  // UTF-8 takes at most three bytes for each UTF-16 unit.
  if (text.length * 3 <= max || Buffer.byteLength(text) <= max) return undefined;
  return { code: 'topic_invalid', reason: `The ${part} is longer than ${max} bytes.` };
}

/** What is wrong with a tenant's or an asset's name, if anything is. */
export function nameFault(part: 'tenant' | 'asset', name: string): Fault | undefined {
  if (name === '') return { code: 'topic_invalid', reason: `The ${part} is empty.` };
  if (name.includes('/') || FORBIDDEN.test(name)) {
    return {
      code: 'topic_invalid',
      reason: `A name of a ${part} may not hold control characters, /, +, # or broken text.`,
    };
  }
  return longFault(part, name);
}

/** What is wrong with a channel, if anything is: the topic's own, or one with a key of the payload appended. */
export function channelFault(channel: string): Fault | undefined {
  if (FORBIDDEN.test(channel)) {
    return {
      code: 'topic_invalid',
      reason: 'A channel may not hold control characters, +, # or broken text.',
    };
  }
  if (channel === '' || channel.startsWith('/') || channel.endsWith('/') || channel.includes('//'))
    return { code: 'topic_invalid', reason: 'A part of the channel is empty.' };
  return longFault('channel', channel);
}

/** The tenant that a dead letter of a topic belongs to that no rule takes: its second part, whatever the first. */
export function tenantOfTopic(topic: string): string | null {
  const tenant = topic.split('/', 2)[1];
  return tenant === undefined || tenant === '' ? null : tenant;
}
