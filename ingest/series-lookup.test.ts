import { expect, it } from 'vitest';
import { createMetrics } from '../lib/metrics.ts';
import type { Series } from '../store/series.ts';
import { createSeriesLookup } from './series-lookup.ts';
import { DEFAULT_RULES, fixedRules } from './topics/rules.ts';

const RULES = fixedRules(DEFAULT_RULES);

const series = (channel: string): Series => ({
  id: 1,
  tenant: 'a',
  asset: 'b',
  channel,
  labels: {},
  unit: null,
  kind: 'number',
  index: 'time',
});

it('asks for a series until there is one, and never again', () => {
  let asked = 0;
  let known = false;
  const lookup = createSeriesLookup(
    ({ channel }) => {
      asked++;
      return known ? series(channel) : undefined;
    },
    RULES,
    createMetrics(),
  );
  expect(lookup.topic('t/a/b/c').plain.channel('').series).toBeUndefined();
  known = true;
  expect(lookup.topic('t/a/b/c').plain.channel('').series?.channel).toBe('c');
  expect(lookup.topic('t/a/b/c').plain.channel('d').series?.channel).toBe('c/d');
  expect(lookup.topic('t/a/b/c').plain.channel('d').series?.channel).toBe('c/d');
  expect(asked).toBe(3);
});

it('judges topics, and keys as parts of channels', () => {
  const lookup = createSeriesLookup(() => undefined, RULES, createMetrics());
  const code = (name: string) => {
    const { match } = lookup.topic(name);
    return match.kind === 'fault' ? match.fault.code : undefined;
  };
  expect(code('x')).toBe('no_rule');
  expect(code('t/a/b/c')).toBeUndefined();
  expect(lookup.topic('t/a/b/c').plain.channel('d/e').fault).toBeUndefined();
  expect(lookup.topic('t/a/b/c').plain.channel('d#').fault?.code).toBe('topic_invalid');
});

it('remembers no more than it may, whether topics or keys are new each time', async () => {
  const metrics = createMetrics();
  const lookup = createSeriesLookup(() => undefined, RULES, metrics, 100);
  const remembered = async () =>
    Number(/tailrace_ingest_channels_size (\d+)/.exec(await metrics.exposition())?.[1]);
  for (let i = 0; i < 1_000; i++) lookup.topic(`t/a/b/${i}`).plain.channel('');
  expect(await remembered()).toBeLessThanOrEqual(100);
  expect(await remembered()).toBeGreaterThan(80);
  const topic = lookup.topic('t/a/b/c');
  for (let i = 0; i < 1_000; i++) topic.plain.channel(`${i}`);
  expect(await remembered()).toBeLessThanOrEqual(100);
  for (let i = 0; i < 1_000; i++) lookup.topic(`u/${i}`);
  expect(await remembered()).toBeLessThanOrEqual(100);
});

it('forgets as fast as it learns: a topic with a timestamp in it is new each time', () => {
  const lookup = createSeriesLookup(() => undefined, RULES, createMetrics(), 100_000);
  const learn = (from: number, to: number) => {
    const { user } = process.cpuUsage();
    for (let i = from; i < to; i++) lookup.topic(`t/a/b/${i}`).plain.channel('');
    return (process.cpuUsage().user - user) / (to - from);
  };
  const firstUs = learn(0, 50_000);
  const laterUs = learn(50_000, 150_000);
  expect(laterUs).toBeLessThan(20 * firstUs + 20);
});

it('remembers no more text than it may, and nothing of what cannot be a channel', async () => {
  const metrics = createMetrics();
  const lookup = createSeriesLookup(() => undefined, RULES, metrics, 1_000);
  const remembered = async () =>
    Number(/tailrace_ingest_channels_size (\d+)/.exec(await metrics.exposition())?.[1]);
  const topic = lookup.topic('t/a/b/_');
  const before = await remembered();
  const { heapUsed } = process.memoryUsage();
  const long = 'k'.repeat(2_000_000);
  for (let i = 0; i < 200; i++) {
    // Buffers make texts that share nothing with others.
    const key = Buffer.from(`${i}${long}`).toString('latin1');
    expect(topic.plain.channel(key).fault?.code).toBe('topic_invalid');
    const set = topic.labelled(`site=${key}`, () => ({ site: key }));
    expect(set.channel('x').fault).toBeUndefined();
    expect(topic.plain.channel(`${i}#`).fault?.code).toBe('topic_invalid');
    expect(topic.plain.channel('').fault?.code).toBe('channel_missing');
  }
  expect(await remembered()).toBe(before);
  expect(process.memoryUsage().heapUsed - heapUsed).toBeLessThan(100e6);
  // What may be a channel counts by its length.
  for (let i = 0; i < 100; i++) topic.plain.channel(`${i}${'k'.repeat(1_000)}`);
  expect(await remembered()).toBeGreaterThan(before + 300);
  for (let i = 0; i < 10_000; i++) lookup.topic(`u/${i}${'k'.repeat(60_000)}`);
  expect(await remembered()).toBeLessThanOrEqual(1_000);
});
