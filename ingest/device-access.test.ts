import { expect, test } from 'vitest';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { Policy } from '../policies/decide/decision.ts';
import { loadPolicy } from '../policies/decide/policy.ts';
import type { Claims } from '../policies/grant.ts';
import { createRevocations } from '../policies/tokens/revocations.ts';
import { changeGrants } from '../test/policy.ts';
import { createDeviceAccess } from './device-access.ts';
import { parseRules } from './topics/read-rules.ts';
import { DEFAULT_RULES, fixedRules, type LiveTopicRules } from './topics/rules.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const policy = await loadPolicy({
  metrics: createMetrics(),
  log: createLog('silent'),
  clock: () => NOW_MS,
});

function accessOf(
  rules: Policy,
  about: Claims,
  revocations = createRevocations(),
  topicRules: Pick<LiveTopicRules, 'current'> = fixedRules(DEFAULT_RULES),
) {
  return createDeviceAccess({ policy: rules, revocations, claims: about, topicRules });
}

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
  expect(accessOf(policy, claims(more)).mayPublish(topic, NOW_MS)).toBe(may);
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
  expect(accessOf(policy, claims(more)).maySubscribe(filter, NOW_MS)).toBe(may);
});

test('a token that is over lets nothing more through', () => {
  const access = accessOf(policy, claims());
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(true);
  const afterwards = NOW_MS + 60_000 + 5_000;
  expect(access.mayPublish('t/acme/rig-1/load', afterwards)).toBe(false);
  expect(access.maySubscribe('t/acme/#', afterwards)).toBe(false);
});

test('the policy is asked about a topic at most once a second, and about every topic', () => {
  let asked = 0;
  let allow = true;
  const counting = changeGrants(policy, (grant) => {
    asked++;
    return { ...grant, allow };
  });
  const access = accessOf(counting, claims());
  for (let i = 0; i < 100; i++) access.mayPublish('t/acme/rig-1/load', NOW_MS + i);
  expect(asked).toBe(1);
  allow = false;
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS + 999)).toBe(true);
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS + 1_000)).toBe(false);
  for (let i = 0; i < 5_000; i++) access.mayPublish(`t/acme/rig-1/c${i}`, NOW_MS);
  expect(asked).toBe(5_002);
});

test('a device that goes on publishing is recorded once a topic, until the policy says something else', async () => {
  const recorded: boolean[] = [];
  const logged = await loadPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: () => NOW_MS },
    onDecision: ({ grant }) => recorded.push(grant.allow),
  });
  const access = accessOf(logged, claims({ assets: ['rig-1'] }));
  for (let s = 0; s < 30; s++) {
    for (const topic of ['t/acme/rig-1/a', 't/acme/rig-1/b', 't/acme/rig-2/a']) {
      access.mayPublish(topic, NOW_MS + s * 1_000);
    }
  }
  expect(recorded).toEqual([true, true, false]);
});

test.each([
  { topic: 't/acme/rig-1/load', more: {}, may: true },
  { topic: 't/acme/rig-2/load', more: { assets: ['rig-1'] }, may: false },
  { topic: 't/other/rig-1/load', more: {}, may: false },
  { topic: '$SYS/broker', more: {}, may: false },
])('a message of $topic is forwarded with $more: $may', ({ topic, more, may }) => {
  expect(accessOf(policy, claims(more)).mayReceive(topic, NOW_MS)).toBe(may);
});

test('a grant holds by its series, not only by its yes', () => {
  const narrow = changeGrants(policy, (grant) => ({
    ...grant,
    selectors: [[{ label: 'channel', op: '!=', value: 'secret' }]],
  }));
  const access = accessOf(narrow, claims());
  expect(access.maySubscribe('t/acme/rig-1/#', NOW_MS)).toBe(true);
  expect(access.mayReceive('t/acme/rig-1/load', NOW_MS)).toBe(true);
  expect(access.mayReceive('t/acme/rig-1/secret', NOW_MS)).toBe(false);
  expect(access.mayPublish('t/acme/rig-1/secret', NOW_MS)).toBe(false);
});

test.each([
  [{ finest_step_ms: 60_000 }, false],
  [{ lookback_ms: 60_000 }, false],
  [{ delay_ms: 60_000 }, false],
  [{ max_rate_hz: 1 }, false],
  [{ max_series: 1 }, false],
  [{ redact: ['site'] }, false],
  [{ max_points: 1 }, true],
])('a subscriber held to %j may subscribe: %s', (obligations, may) => {
  const held = changeGrants(policy, (grant) => ({ ...grant, obligations }));
  const access = accessOf(held, claims());
  expect(access.maySubscribe('t/acme/rig-1/#', NOW_MS)).toBe(may);
  expect(access.mayReceive('t/acme/rig-1/load', NOW_MS)).toBe(may);
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(true);
});

test('a revoked token lets nothing more through, at once', () => {
  const revocations = createRevocations();
  const access = accessOf(policy, claims(), revocations);
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(true);
  revocations.add({ tenant: 'acme', subject: 'd', revokedAtMs: NOW_MS });
  expect(access.hasEnded(NOW_MS)).toBe(true);
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(false);
  expect(access.mayReceive('t/acme/rig-1/load', NOW_MS)).toBe(false);
  expect(access.maySubscribe('t/acme/#', NOW_MS)).toBe(false);
});

test('what the policy said is forgotten at once when told so', () => {
  let allow = true;
  const changing = changeGrants(policy, (grant) => ({ ...grant, allow }));
  const access = accessOf(changing, claims());
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(true);
  expect(access.mayReceive('t/acme/rig-1/load', NOW_MS)).toBe(true);
  allow = false;
  access.forget();
  expect(access.mayPublish('t/acme/rig-1/load', NOW_MS)).toBe(false);
  expect(access.mayReceive('t/acme/rig-1/load', NOW_MS)).toBe(false);
});

test('a device that subscribes again and again is recorded once a filter', async () => {
  const recorded: boolean[] = [];
  const logged = await loadPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: () => NOW_MS },
    onDecision: ({ grant }) => recorded.push(grant.allow),
  });
  const access = accessOf(logged, claims({ assets: ['rig-1'] }));
  for (let s = 0; s < 30; s++) {
    for (const filter of ['t/acme/rig-1/#', 't/acme/rig-2/#']) {
      access.maySubscribe(filter, NOW_MS + s * 1_000);
    }
    // A source that could not be asked for a while, say: the same rules as before.
    access.forget();
  }
  expect(recorded).toEqual([true, false]);
  for (let i = 0; i < 5_000; i++) access.maySubscribe(`t/acme/rig-1/c${i}/#`, NOW_MS);
  expect(recorded.length).toBeLessThanOrEqual(1_001);
});

test('of a device with more topics than are remembered, those that get the same answer are recorded as one', async () => {
  let recorded = 0;
  const logged = await loadPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: () => NOW_MS },
    onDecision: () => {
      recorded += 1;
    },
  });
  const access = accessOf(logged, claims());
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 1_500; i++) access.mayPublish(`t/acme/rig-1/c${i}`, NOW_MS + round);
  }
  expect(recorded).toBe(1_001);
});

const PLANT_RULES = parseRules(
  `
rules:
  - topic: plants/{plant}/heartbeat
    drop: true
  - topic: plants/{plant}/{asset}/{channel...}
    tenant: acme
    labels: { plant: "{plant}" }
  - topic: shared/{tenant}/{asset}/{channel}
  - topic: t/acme/lent/{asset}/{channel}
    tenant: other
`,
  'rules.yaml',
).rules;

test.each([
  { topic: 'plants/oslo/rig-1/load', more: {}, may: true },
  { topic: 'plants/oslo/rig-2/load', more: { assets: ['rig-1'] }, may: false },
  { topic: 'plants/oslo/rig-1/load', more: { tenant: 'other' }, may: false },
  { topic: 'plants/oslo/heartbeat', more: { tenant: 'other' }, may: true },
  { topic: 'plants/oslo//load', more: {}, may: true },
  { topic: 'plants/oslo//load', more: { tenant: 'oslo' }, may: false },
  { topic: 'shared/acme/rig-1/load', more: {}, may: true },
  { topic: 'shared/other/rig-1/load', more: {}, may: false },
  { topic: 't/acme/lent/rig-1/load', more: {}, may: false },
  { topic: 't/acme/lent/rig-1/load', more: { tenant: 'other' }, may: true },
  { topic: 't/acme/rig-1/load', more: {}, may: true },
  { topic: 'elsewhere/acme/rig-1/load', more: {}, may: false },
])(
  'under topic rules, publishing to $topic with $more is allowed: $may',
  ({ topic, more, may }) => {
    const access = accessOf(policy, claims(more), undefined, fixedRules(PLANT_RULES));
    expect(access.mayPublish(topic, NOW_MS)).toBe(may);
  },
);

test.each([
  { topic: 'plants/oslo/rig-1/load', subscribes: true, receives: true },
  { topic: 'plants/oslo/heartbeat', subscribes: false, receives: false },
  { topic: 'plants/oslo/+/load', subscribes: false, receives: false },
  { topic: 't/acme/lent/rig-1/load', subscribes: false, receives: false },
  { topic: 't/acme/#', subscribes: true, receives: false },
])('under topic rules, $topic is subscribed to: $subscribes', ({ topic, subscribes, receives }) => {
  const access = accessOf(policy, claims(), undefined, fixedRules(PLANT_RULES));
  expect(access.maySubscribe(topic, NOW_MS)).toBe(subscribes);
  if (!/[+#]/.test(topic)) expect(access.mayReceive(topic, NOW_MS)).toBe(receives);
});

test('what topic rules said is asked anew as soon as they are others', () => {
  let rules = PLANT_RULES;
  const access = accessOf(policy, claims(), undefined, { current: () => rules });
  expect(access.mayPublish('plants/oslo/rig-1/load', NOW_MS)).toBe(true);
  rules = DEFAULT_RULES;
  expect(access.mayPublish('plants/oslo/rig-1/load', NOW_MS)).toBe(false);
});
