import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseRules } from './read-rules.ts';
import { parseRuleFile } from './rule-file.ts';
import type { TopicMatch } from './rules.ts';

/** Faults as `line:column message`, or undefined for a file without. */
function faultsOf(text: string): string[] | undefined {
  const parsed = parseRuleFile(text);
  if (!('faults' in parsed)) return undefined;
  return parsed.faults.map(({ line, column, message }) => `${line}:${column} ${message}`);
}

const rule = (...lines: string[]) => `rules:\n  - topic: p/{site}/{channel}\n${indent(lines)}`;
const indent = (lines: string[]) => lines.map((line) => `    ${line}\n`).join('');

describe('a file of rules', () => {
  it.each(
    [
      ['', '1:1', 'empty'],
      ['# nothing\n', '1:1', 'empty'],
      ['7', '1:1', 'has to be a map with rules, default_rule'],
      ['default_rule: true', '1:1', 'no rules'],
      ['rules: {}', '1:8', 'has to be a list'],
      ['rules: []\ndefault_rule: false', '1:8', 'no topic would be taken'],
      ['rules: []\ndefault_rule: maybe', '2:15', 'true or false'],
      ['rule: []', '1:1', '"rule": rules, perhaps?'],
      ['rules:\n  - drop: true', '2:5', 'has to have a topic'],
      ['rules:\n  - topic: 7', '2:12', 'a text: write it in quotes'],
      ['rules:\n  - topic: "a/{x}/{x}"\n    drop: true', '2:19', 'two parts {x}'],
      ['rules:\n  - topic: a/{x}/{x}\n    drop: true', '2:18', 'two parts {x}'],
      ['rules:\n  - topic: a\n    drop: true\n    unit: bar', '4:11', 'has no unit'],
      ['rules:\n  - topic: a\n    topic: b\n    drop: true', '3:5', 'two topic'],
      [rule('tenant: x', 'asset: "{sit}"'), '4:13', 'no part {sit}; it has {site}, {channel}'],
      [rule('asset: "{site}"'), '2:5', 'says no tenant'],
      [rule('tenant: ""', 'asset: a'), '3:13', 'The tenant is empty'],
      [rule('tenant: a/b', 'asset: a'), '3:13', 'may not hold'],
      [rule('tenant: x', 'asset: a', 'channel: "a//b"'), '5:14', 'part of the channel is empty'],
      [rule('tenant: x', 'asset: "a}"'), '4:13', 'no partner'],
      [rule('tenant: x', 'asset: a', 'labels: { line: 3 }'), '5:21', 'label line has to be a text'],
      [rule('tenant: x', 'asset: a', 'labels: { asset: b }'), '5:15', 'asset is no label'],
      [rule('tenant: x', 'asset: a', 'labels: { "a b": b }'), '5:15', 'no name of a label'],
      [rule('tenant: x', 'asset: a', 'labels: { a: b, a: c }'), '5:21', 'two a'],
      [rule('tenant: x', 'asset: a', 'labels: [a]'), '5:13', 'has to be a map'],
      [rule('tenant: x', 'asset: a', 'format: jsom'), '5:13', 'json, perhaps?'],
      [rule('tenant: x', 'asset: a', 'time_zone: Europe/Olso'), '5:16', 'Europe/Oslo, perhaps?'],
      [rule('tenant: x', 'asset: a', 'unit: ""'), '5:11', '1 to 64 bytes'],
      [rule('tenant: x', 'asset: a', 'units: { p: 1 }'), '5:17', 'the unit of p has to be a text'],
      [rule('tenent: x', 'asset: a'), '3:5', '"tenent": tenant, perhaps?'],
      [rule('tenant: &a x', 'asset: *a'), '4:12', 'aliases'],
      ['rules: [\n', '2:1', 'Flow sequence'],
      ['---\nrules: []\n---\nrules: []', '3:1', 'several documents'],
      [`rules:\n${'  - {topic: a, drop: true}\n'.repeat(10_001)}`, '2:3', 'at most 10000'],
    ].map(([text = '', place = '', message = '']) => ({ text, place, message })),
  )('is at fault at $place: $message', ({ text, place, message }) => {
    const told = faultsOf(text)?.filter((fault) => fault.startsWith(`${place} `));
    expect(told?.join('\n')).toContain(message);
  });

  it('tells all of its faults at once, in their order', () => {
    const faults = faultsOf(`rules:
  - topic: a/{b
    tenant: "{c}"
    format: xml
  - topic: b/{tenant}/{asset}
`);
    expect(faults?.map((fault) => fault.split(' ')[0])).toEqual(['2:14', '4:13', '5:5']);
  });

  it('refuses what would be gigabytes, or endlessly deep, when it is read as YAML', () => {
    const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]', 'b: &b [*a,*a,*a,*a]', 'rules: *b'].join('\n');
    expect(faultsOf(bomb)?.join()).toContain('aliases');
    expect(faultsOf(`rules: ${'['.repeat(20_000)}`)).toBeDefined();
  });

  it('warns of rules that no topic comes to', () => {
    const { warnings } = parseRules(
      `rules:
  - { topic: 'a/#', drop: true }
  - { topic: 'a/b/{x}', drop: true }
  - { topic: 'b/{x}', drop: true }
`,
      'rules.yaml',
    );
    expect(warnings).toEqual([
      'rules.yaml:3:5: no topic comes to this rule: the one at line 2 takes them all',
    ]);
  });
});

/** The example of the documentation. */
function documented(): string {
  const page = readFileSync(new URL('../../docs/topic-rules.md', import.meta.url), 'utf8');
  return /```yaml\n([^`]*)```/.exec(page)?.[1] ?? '';
}

describe('the rules of docs/topic-rules.md', () => {
  const { rules, size, warnings } = parseRules(documented(), 'rules.yaml');
  const reading = {
    format: 'json' as const,
    timeZone: 'Europe/Oslo',
    unit: 'bar',
    units: { temperature: '°C', flow: 'm3/h' },
  };

  it('are three, without a warning', () => {
    expect({ size, warnings }).toEqual({ size: 3, warnings: [] });
    expect(rules.filters).toEqual(['gateways/+', 'plants/+/+/+/#', 'plants/+/heartbeat', 't/#']);
  });

  it.each<[topic: string, match: TopicMatch]>([
    ['plants/oslo/heartbeat', { kind: 'drop', rule: 'rules.yaml:2' }],
    [
      'plants/oslo/line-3/press/oil/pressure',
      {
        kind: 'target',
        rule: 'rules.yaml:4',
        target: {
          tenant: 'acme',
          asset: 'oslo-press',
          channel: 'oil/pressure',
          labels: { site: 'oslo', line: '3', source: 'opc' },
          ...reading,
        },
      },
    ],
    [
      'plants//line-3/press/_',
      {
        kind: 'target',
        rule: 'rules.yaml:4',
        target: {
          ...{ tenant: 'acme', asset: '-press', channel: '' },
          labels: { line: '3', source: 'opc' },
          ...reading,
        },
      },
    ],
    [
      'gateways/g1',
      {
        kind: 'target',
        rule: 'rules.yaml:12',
        target: { tenant: 'acme', asset: 'g1', channel: '', labels: {}, format: 'line' },
      },
    ],
    [
      't/acme/rig/x',
      {
        kind: 'target',
        rule: 'default',
        target: { tenant: 'acme', asset: 'rig', channel: 'x', labels: {} },
      },
    ],
  ])('take %s', (topic, match) => {
    expect(rules.match(topic)).toEqual(match);
  });

  it.each([
    ['plants/oslo', 'no_rule'],
    ['plants/oslo/line-3/press', 'no_rule'],
    ['gateways/', 'topic_invalid'],
    ['plants/oslo/line-3/press/x//y', 'topic_invalid'],
    ['t/acme', 'no_rule'],
    ['t/acme//x', 'topic_invalid'],
  ])('make a dead letter of %s: %s', (topic, code) => {
    expect(rules.match(topic)).toMatchObject({ kind: 'fault', fault: { code } });
  });

  it('take nothing below t/ where the default rule is left out', () => {
    const without = parseRules(
      documented().replace('default_rule: true', 'default_rule: false'),
      '',
    );
    expect(without.rules.match('t/acme/rig/x')).toMatchObject({ fault: { code: 'no_rule' } });
    expect(without.rules.filters).not.toContain('t/#');
  });
});
