// Rules of a file made ready to be asked about topics.
import { DEFAULT_FILTER, NO_CHANNEL } from './default-rule.ts';
import { filtersOf } from './filters.ts';
import { matchPattern } from './pattern.ts';
import { createPatternTree } from './pattern-tree.ts';
import type { Rule, RuleFile, RuleTarget } from './rule-file.ts';
import { DEFAULT_RULES, type TopicMatch, type TopicRules } from './rules.ts';
import { channelFault, nameFault, type TopicTarget } from './target.ts';
import { fillTemplate } from './template.ts';

/** Compiles rules. `name` is the file's, for people: a rule is called by it and its line. */
export function compileRules({ rules, defaultRule }: RuleFile, name: string): TopicRules {
  const tree = createPatternTree();
  for (const [index, { pattern }] of rules.entries()) tree.add(pattern, index);

  function matchDefault(topic: string): TopicMatch {
    if (!defaultRule) return { kind: 'fault', fault: NO_RULE };
    const applied = DEFAULT_RULES.match(topic);
    return applied.kind === 'fault' && applied.fault.code === 'no_rule'
      ? { kind: 'fault', fault: NO_RULE_NOR_DEFAULT }
      : applied;
  }

  return {
    match(topic) {
      const levels = topic.split('/');
      const index = tree.first(levels);
      if (index === undefined) return matchDefault(topic);
      return applyRule(rules[index] as Rule, levels, name);
    },
    filters: filtersOf(
      rules.map(({ pattern }) => pattern),
      defaultRule ? [DEFAULT_FILTER] : [],
    ),
  };
}

const NO_RULE = { code: 'no_rule', reason: 'No topic rule takes this topic.' };
const NO_RULE_NOR_DEFAULT = {
  code: 'no_rule',
  reason: 'No topic rule takes this topic, nor does the default rule t/{tenant}/{asset}/{channel}.',
};

function applyRule(rule: Rule, topic: readonly string[], file: string): TopicMatch {
  const name = `${file}:${rule.line}`;
  if (rule.target === undefined) return { kind: 'drop', rule: name };
  const parts = matchPattern(rule.pattern, topic);
  if (parts === undefined) throw new Error(`${name} was found for a topic that it does not take`);
  const target = fillTarget(rule.target, parts);
  const { tenant, asset, channel } = target;
  const fault =
    nameFault('tenant', tenant) ??
    nameFault('asset', asset) ??
    (channel === '' && isMeantEmpty(rule.target) ? undefined : channelFault(channel));
  if (fault !== undefined) return { kind: 'fault', fault, rule: name, place: target };
  return {
    kind: 'target',
    target: channel === NO_CHANNEL ? { ...target, channel: '' } : target,
    rule: name,
  };
}

/** A channel that is "" in the file; one that becomes so by its parts is a fault. */
function isMeantEmpty({ channel }: RuleTarget): boolean {
  return channel.length === 0;
}

function fillTarget(rule: RuleTarget, parts: ReadonlyMap<string, string>): TopicTarget {
  const { tenant, asset, channel, labels, ...same } = rule;
  const filled = labels.map(([name, value]) => [name, fillTemplate(value, parts)] as const);
  return {
    ...same,
    tenant: fillTemplate(tenant, parts),
    asset: fillTemplate(asset, parts),
    channel: fillTemplate(channel, parts),
    // A label without a value is none, as everywhere in Prometheus' world.
    labels: Object.fromEntries(filled.filter(([, value]) => value !== '')),
  };
}
