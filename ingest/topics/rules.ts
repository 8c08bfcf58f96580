// What topic rules are to those who use them: which readings a topic has, and what to subscribe to.
import type { Fault } from '../fault.ts';
import { applyDefaultRule, DEFAULT_FILTER } from './default-rule.ts';
import type { TopicTarget } from './target.ts';

/** What the rules say of one topic. `rule` says to people which of them it was. */
export type TopicMatch =
  | { readonly kind: 'target'; readonly target: TopicTarget; readonly rule: string }
  /** Whatever comes is received and ignored. */
  | { readonly kind: 'drop'; readonly rule: string }
  | {
      readonly kind: 'fault';
      readonly fault: Fault;
      /** The rule that took it, and the names that came out, one of which cannot be. */
      readonly rule?: string;
      readonly place?: Pick<TopicTarget, 'tenant' | 'asset' | 'channel'>;
    };

/** Rules that stay as they are. */
export interface TopicRules {
  match(topic: string): TopicMatch;
  /** Filters of MQTT that cover every topic that a rule takes. */
  readonly filters: readonly string[];
}

/** Rules that may change while the process runs. */
export interface LiveTopicRules {
  current(): TopicRules;
  /** Calls `listener` after each change, with the rules now in force. Gives back what ends that. */
  onChange(listener: (rules: TopicRules) => void): () => void;
}

/** The default rule alone. */
export const DEFAULT_RULES: TopicRules = {
  match(topic) {
    const applied = applyDefaultRule(topic);
    if ('code' in applied) return { kind: 'fault', fault: applied };
    return { kind: 'target', target: applied, rule: 'default' };
  },
  filters: [DEFAULT_FILTER],
};

/** Rules that never change, as live ones. */
export function fixedRules(rules: TopicRules): LiveTopicRules {
  return { current: () => rules, onChange: () => () => {} };
}
