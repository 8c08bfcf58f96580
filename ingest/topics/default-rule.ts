// The rule that is there when no file gives others: t/{tenant}/{asset}/{channel…}.
import type { Fault } from '../fault.ts';
import { channelFault, nameFault, type TopicTarget } from './target.ts';

/** A topic that ends like this names no channel: the keys of its payloads are the channels. */
export const NO_CHANNEL = '_';

/** The filter of MQTT that covers the rule. */
export const DEFAULT_FILTER = 't/#';

/** Applies the rule. */
export function applyDefaultRule(topic: string): TopicTarget | Fault {
  const parts = topic.split('/');
  if (parts[0] !== 't' || parts.length < 4) {
    return {
      code: 'no_rule',
      reason: 'No topic rule takes this topic; the default rule is t/{tenant}/{asset}/{channel}.',
    };
  }
  const tenant = parts[1] as string;
  const asset = parts[2] as string;
  const channel = parts.slice(3).join('/');
  const fault = nameFault('tenant', tenant) ?? nameFault('asset', asset) ?? channelFault(channel);
  if (fault !== undefined) return fault;
  return { tenant, asset, channel: channel === NO_CHANNEL ? '' : channel, labels: {} };
}
