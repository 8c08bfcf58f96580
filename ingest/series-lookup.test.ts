import { expect, it } from 'vitest';
import { createMetrics } from '../lib/metrics.ts';
import type { Series } from '../store/series.ts';
import { createSeriesLookup } from './series-lookup.ts';

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
  const lookup = createSeriesLookup((_tenant, _asset, channel) => {
    asked++;
    return known ? series(channel) : undefined;
  }, createMetrics());
  expect(lookup.topic('t/a/b/c').channel('').series).toBeUndefined();
  known = true;
  expect(lookup.topic('t/a/b/c').channel('').series?.channel).toBe('c');
  expect(lookup.topic('t/a/b/c').channel('d').series?.channel).toBe('c/d');
  expect(lookup.topic('t/a/b/c').channel('d').series?.channel).toBe('c/d');
  expect(asked).toBe(3);
});

it('judges topics, and keys as parts of channels', () => {
  const lookup = createSeriesLookup(() => undefined, createMetrics());
  expect(lookup.topic('x').fault?.code).toBe('no_rule');
  expect(lookup.topic('t/a/b/c').fault).toBeUndefined();
  expect(lookup.topic('t/a/b/c').channel('d/e').fault).toBeUndefined();
  expect(lookup.topic('t/a/b/c').channel('d#').fault?.code).toBe('topic_invalid');
});

it('remembers no more than it may, whether topics or keys are new each time', async () => {
  const metrics = createMetrics();
  const lookup = createSeriesLookup(() => undefined, metrics, 100);
  const remembered = async () =>
    Number(/tailrace_ingest_channels_size (\d+)/.exec(await metrics.exposition())?.[1]);
  for (let i = 0; i < 1_000; i++) lookup.topic(`t/a/b/${i}`).channel('');
  expect(await remembered()).toBeLessThanOrEqual(100);
  expect(await remembered()).toBeGreaterThan(90);
  const topic = lookup.topic('t/a/b/c');
  for (let i = 0; i < 1_000; i++) topic.channel(`${i}`);
  expect(await remembered()).toBeLessThanOrEqual(100);
  for (let i = 0; i < 1_000; i++) lookup.topic(`u/${i}`);
  expect(await remembered()).toBe(100);
});
