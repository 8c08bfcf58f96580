import { mkdtempSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { eventually } from '../../test/program.ts';
import { openTopicRules, type TopicRulesKeeper } from './keeper.ts';

const log = createLog('silent');
let folder: string;
let path: string;
let keeper: TopicRulesKeeper | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-rules-'));
  path = join(folder, 'rules.yaml');
});

afterEach(async () => {
  await keeper?.stop();
  keeper = undefined;
  rmSync(folder, { recursive: true });
});

const rulesFor = (tenant: string) => `rules:
  - topic: plants/{asset}/{channel}
    tenant: ${tenant}
`;

async function open(metrics = createMetrics()): Promise<TopicRulesKeeper> {
  keeper = await openTopicRules({ path, log, metrics });
  return keeper;
}

function tenant(of: TopicRulesKeeper): string | undefined {
  const match = of.current().match('plants/pump/flow');
  return match.kind === 'target' ? match.target.tenant : undefined;
}

it('without a file gives the default rule', async () => {
  const rules = await openTopicRules({ path: undefined, log, metrics: createMetrics() });
  expect(rules.current().filters).toEqual(['t/#']);
  expect(rules.status()).toEqual({ path: undefined, rules: 0, fault: undefined });
  await rules.stop();
});

it('takes a file that is written anew, or put in its place, and tells whoever listens', async () => {
  await writeFile(path, rulesFor('a'));
  const rules = await open();
  const heard: (readonly string[])[] = [];
  rules.onChange(({ filters }) => heard.push(filters));
  await writeFile(path, rulesFor('b'));
  await eventually(
    async () => tenant(rules),
    (name) => name === 'b',
  );
  await writeFile(
    `${path}.new`,
    rulesFor('c').replace('plants/', 'plants/').concat('default_rule: false'),
  );
  await rename(`${path}.new`, path);
  await eventually(
    async () => tenant(rules),
    (name) => name === 'c',
  );
  expect(heard).toEqual([['plants/+/+', 't/#'], ['plants/+/+']]);
});

it('keeps the rules in force while the file is broken or away, and says so', async () => {
  await writeFile(path, rulesFor('a'));
  const metrics = createMetrics();
  const rules = await open(metrics);
  let changes = 0;
  rules.onChange(() => changes++);
  for (const spoil of [() => writeFile(path, 'rules: [{topic: "a/{"}]'), () => rm(path)]) {
    await spoil();
    const { fault } = await eventually(
      async () => rules.status(),
      (status) => status.fault !== undefined,
    );
    expect(fault?.reason).toMatch(/rules\.yaml/);
    expect(tenant(rules)).toBe('a');
    expect(await metrics.exposition()).toContain('tailrace_topic_rules_valid 0');
    await writeFile(path, rulesFor('a'));
    await eventually(
      async () => rules.status(),
      (status) => status.fault === undefined,
    );
  }
  expect(await metrics.exposition()).toContain('tailrace_topic_rules_valid 1');
  expect(await metrics.exposition()).toContain('tailrace_topic_rules_max 10000');
  expect(changes).toBe(2);
});

it.each([
  ['rules: 7', 'topic_rules_invalid'],
  ['a'.repeat(1_000_001), 'topic_rules_invalid'],
  [Buffer.from([0xff, 0xfe]), 'topic_rules_invalid'],
  [undefined, 'topic_rules_unreadable'],
])('does not open %.20s', async (content, code) => {
  if (content !== undefined) await writeFile(path, content);
  await expect(open()).rejects.toMatchObject({ code });
});
