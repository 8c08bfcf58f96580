// From an MQTT topic to what its readings belong to. The default rule: t/{tenant}/{asset}/{channel…}.

/** Where a topic's readings belong. A payload with several values appends `/` and a key to the channel. */
export interface TopicTarget {
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
}

/** Why a topic, a payload or a single reading cannot be kept. `code` is stable, `reason` is for people. */
export interface Fault {
  readonly code: string;
  readonly reason: string;
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

/** Applies the default rule. */
export function parseTopic(topic: string): TopicTarget | Fault {
  const parts = topic.split('/');
  if (parts[0] !== 't' || parts.length < 4) {
    return {
      code: 'no_rule',
      reason: 'No topic rule takes this topic; the default rule is t/{tenant}/{asset}/{channel}.',
    };
  }
  if (parts.includes('')) {
    return { code: 'topic_invalid', reason: 'A part of the topic is empty.' };
  }
  const tenant = parts[1] as string;
  const asset = parts[2] as string;
  const channel = parts.slice(3).join('/');
  if (FORBIDDEN.test(topic)) {
    return {
      code: 'topic_invalid',
      reason: 'A topic may not hold control characters, +, # or broken text.',
    };
  }
  return (
    longFault('tenant', tenant) ??
    longFault('asset', asset) ??
    longFault('channel', channel) ?? { tenant, asset, channel }
  );
}

/** The tenant that a dead letter of this topic belongs to: its second part, whatever the first. */
export function tenantOfTopic(topic: string): string | null {
  const tenant = topic.split('/', 2)[1];
  return tenant === undefined || tenant === '' ? null : tenant;
}
