// The file of topic rules: YAML in, rules out, or every fault in it at once, each with its place and what to do.
import { closestWord } from './closest-word.ts';
import { type Pattern, parsePattern } from './pattern.ts';
import { createPatternTree } from './pattern-tree.ts';
import { channelFault, FORMATS, type Format, nameFault } from './target.ts';
import { constantOf, parseTemplate, type Template } from './template.ts';
import {
  type Remark,
  readYaml,
  type YamlNode,
  type YamlSource,
  type YamlText,
} from './yaml-source.ts';

/** What a rule makes of a topic. */
export interface RuleTarget {
  readonly tenant: Template;
  readonly asset: Template;
  readonly channel: Template;
  readonly labels: readonly (readonly [name: string, value: Template])[];
  readonly format?: Format;
  readonly timeZone?: string;
  readonly unit?: string;
  readonly units?: Readonly<Record<string, string>>;
}

export interface Rule {
  /** Of the file, from 1. */
  readonly line: number;
  readonly pattern: Pattern;
  /** undefined where what comes is received and ignored. */
  readonly target: RuleTarget | undefined;
}

export interface RuleFile {
  /** From top to bottom: the first that takes a topic decides. */
  readonly rules: readonly Rule[];
  /** Whether t/{tenant}/{asset}/{channel…} comes after them. */
  readonly defaultRule: boolean;
  /** What is no fault, but hardly meant. */
  readonly warnings: readonly Remark[];
}

export const RULES_MAX = 10_000;
const LABELS_MAX = 32;
const UNITS_MAX = 1_000;
const UNIT_BYTES_MAX = 64;

const FILE_KEYS = ['rules', 'default_rule'] as const;
const RULE_KEYS = [
  ...['topic', 'drop', 'tenant', 'asset', 'channel', 'labels'],
  ...['format', 'time_zone', 'unit', 'units'],
] as const;
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** What a series has beside its labels, and is asked for as if it were one. */
const RESERVED_LABELS: readonly string[] = ['tenant', 'asset', 'channel'];
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\p{Cs}]/u;

type Fields = Partial<Record<string, YamlNode>>;

/** Reads the text of a file: the rules, or what is wrong with them, in the order of the lines. */
export function parseRuleFile(text: string): RuleFile | { readonly faults: readonly Remark[] } {
  const source = readYaml(text);
  const parsed = source.faults.length > 0 ? undefined : readFile(source);
  if (parsed !== undefined && source.faults.length === 0) return parsed;
  return { faults: [...source.faults].sort((a, b) => a.line - b.line || a.column - b.column) };
}

function readFile(source: YamlSource): RuleFile | undefined {
  const { root } = source;
  if (root === undefined) {
    source.fault(root, 'the file is empty: it has to have rules, a list');
    return undefined;
  }
  const fields = source.fields(root, 'the file', FILE_KEYS);
  if (fields === undefined) return undefined;
  const { rules: list, default_rule: flag } = fields;
  if (list === undefined) source.fault(root, 'the file has no rules, a list');
  const nodes = list === undefined ? [] : source.items(list, 'rules', RULES_MAX);
  const defaultRule = flag === undefined ? true : (source.flag(flag, 'default_rule') ?? true);
  const rules = nodes.flatMap((node) => readRule(source, node) ?? []);
  if (list !== undefined && nodes.length === 0 && !defaultRule) {
    source.fault(list, 'without rules and without the default rule no topic would be taken');
  }
  return { rules, defaultRule, warnings: warningsOf(source, nodes, rules) };
}

/** Rules that no topic comes to, because an earlier one takes them all. */
function warningsOf(
  source: YamlSource,
  nodes: readonly YamlNode[],
  rules: readonly Rule[],
): readonly Remark[] {
  const tree = createPatternTree();
  return rules.flatMap((rule, index) => {
    const earlier = tree.cover(rule.pattern);
    tree.add(rule.pattern, index);
    if (earlier === undefined) return [];
    const line = rules[earlier]?.line;
    const message = `no topic comes to this rule: the one at line ${line} takes them all`;
    return [source.remark(nodes[index], message)];
  });
}

function readRule(source: YamlSource, node: YamlNode): Rule | undefined {
  const fields = source.fields(node, 'a rule', RULE_KEYS);
  if (fields === undefined) return undefined;
  const line = source.lineOf(node);
  const { topic, drop } = fields;
  if (topic === undefined) {
    source.fault(node, 'a rule has to have a topic, such as plants/{site}/{asset}/{channel...}');
  }
  const pattern = topic === undefined ? undefined : readPattern(source, topic);
  if (drop !== undefined && source.flag(drop, 'drop') === true) {
    for (const [key, value] of Object.entries(fields)) {
      if (key === 'topic' || key === 'drop') continue;
      source.fault(value, `a rule that drops what comes has no ${key}`);
    }
    return pattern && { line, pattern, target: undefined };
  }
  const target = readTarget(source, node, fields, pattern?.names);
  return pattern && target && { line, pattern, target };
}

function readPattern(source: YamlSource, node: YamlNode): Pattern | undefined {
  const text = source.text(node, 'topic');
  if (text === undefined) return undefined;
  const parsed = parsePattern(text.text);
  if ('levels' in parsed) return parsed;
  source.textFaults(text, parsed);
  return undefined;
}

/** `names` are those of the pattern's parts; undefined where the pattern is at fault itself. */
function readTarget(
  source: YamlSource,
  rule: YamlNode,
  fields: Fields,
  names: readonly string[] | undefined,
): RuleTarget | undefined {
  const template = (key: 'tenant' | 'asset' | 'channel') =>
    readPlace(source, rule, fields[key], key, names);
  const tenant = template('tenant');
  const asset = template('asset');
  const channel = template('channel');
  const labels = fields.labels === undefined ? [] : readLabels(source, fields.labels, names);
  const options = {
    ...named('format', readChoice(source, fields.format)),
    ...named('timeZone', readZone(source, fields.time_zone)),
    ...named('unit', readUnit(source, fields.unit, 'unit')),
    ...named('units', readUnits(source, fields.units)),
  };
  if (tenant === undefined || asset === undefined || channel === undefined) return undefined;
  return { tenant, asset, channel, labels, ...options };
}

/** A member that is left out where it has no value. */
function named<K extends string, V>(name: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [name]: value } as Record<K, V>);
}

/** Where a tenant, an asset or a channel comes from: what the rule says, else the part of that name. */
function readPlace(
  source: YamlSource,
  rule: YamlNode,
  node: YamlNode | undefined,
  key: 'tenant' | 'asset' | 'channel',
  names: readonly string[] | undefined,
): Template | undefined {
  if (node === undefined) {
    if (names === undefined || names.includes(key)) return [{ part: key }];
    const empty = key === 'channel' ? '; "" where the keys of the payload are the channels' : '';
    source.fault(
      rule,
      `the rule says no ${key}: name a part of its topic {${key}}, or give ${key}${empty}`,
    );
    return undefined;
  }
  const text = source.text(node, key);
  if (text === undefined) return undefined;
  const template = readTemplate(source, text, names);
  const constant = template && constantOf(template);
  if (constant === undefined || (key === 'channel' && constant === '')) return template;
  const fault = key === 'channel' ? channelFault(constant) : nameFault(key, constant);
  if (fault !== undefined) source.fault(node, fault.reason);
  return template;
}

function readTemplate(
  source: YamlSource,
  text: YamlText,
  names: readonly string[] | undefined,
): Template | undefined {
  if (names === undefined) return undefined;
  const parsed = parseTemplate(text.text, names);
  if (!('faults' in parsed)) return parsed;
  source.textFaults(text, parsed.faults);
  return undefined;
}

function readLabels(source: YamlSource, node: YamlNode, names: readonly string[] | undefined) {
  return source.entries(node, 'labels', LABELS_MAX).flatMap(([name, value]) => {
    if (!LABEL_NAME.test(name.text)) {
      const rule = 'letters, digits and _, and does not begin with a digit';
      source.fault(
        name.node,
        `${JSON.stringify(name.text)} is no name of a label: that is ${rule}`,
      );
    } else if (RESERVED_LABELS.includes(name.text)) {
      source.fault(name.node, `${name.text} is no label: give ${name.text} beside labels`);
    }
    const text = source.text(value, `the label ${name.text}`);
    const template = text && readTemplate(source, text, names);
    return template === undefined ? [] : [[name.text, template] as const];
  });
}

function readChoice(source: YamlSource, node: YamlNode | undefined): Format | undefined {
  const text = node && source.text(node, 'format');
  if (text === undefined) return undefined;
  const format = FORMATS.find((one) => one === text.text);
  if (format === undefined) {
    source.fault(
      node,
      `format has to be one of ${FORMATS.join(', ')}${perhaps(text.text, FORMATS)}`,
    );
  }
  return format;
}

function perhaps(given: string, known: readonly string[]): string {
  const near = closestWord(given, known);
  return near === undefined ? '' : `: ${near}, perhaps?`;
}

function readZone(source: YamlSource, node: YamlNode | undefined): string | undefined {
  const text = node && source.text(node, 'time_zone');
  if (text === undefined || isZone(text.text)) return text?.text;
  const near = perhaps(text.text, Intl.supportedValuesOf('timeZone'));
  source.fault(node, `time_zone has to be a name such as Europe/Oslo or UTC${near}`);
  return undefined;
}

function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function readUnit(
  source: YamlSource,
  node: YamlNode | undefined,
  what: string,
): string | undefined {
  const text = node && source.text(node, what)?.text;
  if (text === undefined) return undefined;
  if (text !== '' && Buffer.byteLength(text) <= UNIT_BYTES_MAX && !CONTROLS.test(text)) return text;
  source.fault(node, `${what} has to be a text of 1 to ${UNIT_BYTES_MAX} bytes`);
  return undefined;
}

function readUnits(
  source: YamlSource,
  node: YamlNode | undefined,
): Readonly<Record<string, string>> | undefined {
  if (node === undefined) return undefined;
  const units = source.entries(node, 'units', UNITS_MAX).flatMap(([key, value]) => {
    const unit = readUnit(source, value, `the unit of ${key.text}`);
    return unit === undefined ? [] : [[key.text, unit] as const];
  });
  return Object.fromEntries(units);
}
