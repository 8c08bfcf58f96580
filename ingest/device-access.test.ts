import { expect, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import { loadPolicy } from '../policies/policy.ts';
import { mayPublish, maySubscribe } from './device-access.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const policy = await loadPolicy({
  metrics: createMetrics(),
  log: createLog('silent'),
  clock: () => NOW_MS,
});

function claims(more: Record<string, unknown> = {}) {
  return { sub: 'd', tenant: 'acme', roles: ['device'], exp: NOW_MS / 1000 + 60, ...more };
}

test.each([
  { topic: 't/acme/rig-1/load', more: {}, may: true },
  { topic: 't/acme/rig-1/mud/flow', more: { assets: ['rig-1'] }, may: true },
  { topic: 't/acme/rig-2/load', more: { assets: ['rig-1'] }, may: false },
  { topic: 't/other/rig-1/load', more: {}, may: false },
  { topic: 'plant/acme/rig-1/load', more: {}, may: false },
  { topic: 't/acme', more: {}, may: false },
  { topic: '$SYS/broker', more: {}, may: false },
  { topic: 't/acme/rig-1/load', more: { roles: ['viewer'] }, may: false },
  { topic: 't/acme/rig-1/load', more: { assets: 'rig-1' }, may: false },
])('publishing to $topic with $more is allowed: $may', ({ topic, more, may }) => {
  expect(mayPublish(policy, claims(more), topic, NOW_MS)).toBe(may);
});

test.each([
  { filter: 't/acme/rig-1/#', more: {}, may: true },
  { filter: 't/acme/#', more: {}, may: true },
  { filter: 't/acme/+/load', more: { assets: ['rig-1'] }, may: false },
  { filter: 't/acme/rig-1/#', more: { assets: ['rig-1'] }, may: true },
  { filter: 't/+/rig-1/#', more: {}, may: false },
  { filter: '#', more: {}, may: false },
  { filter: 't/other/rig-1/#', more: {}, may: false },
])('subscribing to $filter with $more is allowed: $may', ({ filter, more, may }) => {
  expect(maySubscribe(policy, claims(more), filter, NOW_MS)).toBe(may);
});
