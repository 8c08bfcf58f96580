import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyDefaultRule } from './default-rule.ts';
import { channelFault, tenantOfTopic } from './target.ts';

it.each([
  ['t/acme/rig-7/hookload', { tenant: 'acme', asset: 'rig-7', channel: 'hookload' }],
  ['t/acme/rig-7/mud/flow/in', { tenant: 'acme', asset: 'rig-7', channel: 'mud/flow/in' }],
  ['t/Ålesund/rigg 7/trykk (bar)', { tenant: 'Ålesund', asset: 'rigg 7', channel: 'trykk (bar)' }],
  [`t/a/b/${'c'.repeat(1024)}`, { tenant: 'a', asset: 'b', channel: 'c'.repeat(1024) }],
  ['t/acme/rig-7/_', { tenant: 'acme', asset: 'rig-7', channel: '' }],
])('the default rule takes %s', (topic, target) => {
  expect(applyDefaultRule(topic)).toEqual({ ...target, labels: {} });
});

it.each([
  ['t', 'no_rule'],
  ['t/acme', 'no_rule'],
  ['t/acme/rig-7', 'no_rule'],
  ['T/acme/rig-7/x', 'no_rule'],
  ['factory/acme/rig-7/x', 'no_rule'],
  ['/t/acme/rig-7/x', 'no_rule'],
  ['', 'no_rule'],
  ['t//rig-7/x', 'topic_invalid'],
  ['t/acme//x', 'topic_invalid'],
  ['t/acme/rig-7/', 'topic_invalid'],
  ['t/acme/rig-7/x//y', 'topic_invalid'],
  ['t/acme/+/x', 'topic_invalid'],
  ['t/acme/rig-7/#', 'topic_invalid'],
  ['t/acme/rig\u0000/x', 'topic_invalid'],
  ['t/acme/rig-7/x\ny', 'topic_invalid'],
  ['t/acme/rig-7/\ud800', 'topic_invalid'],
  [`t/${'a'.repeat(129)}/b/c`, 'topic_invalid'],
  [`t/a/${'å'.repeat(129)}/c`, 'topic_invalid'],
  [`t/a/b/${'c'.repeat(1025)}`, 'topic_invalid'],
])('the topic %j is a dead letter: %s', (topic, code) => {
  expect(applyDefaultRule(topic)).toMatchObject({ code });
});

it('gives back a topic in parts that make it again, or a fault', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const topic = `t/${text}`;
      const parsed = applyDefaultRule(topic);
      if ('code' in parsed || parsed.channel === '') return;
      expect(`t/${parsed.tenant}/${parsed.asset}/${parsed.channel}`).toBe(topic);
      expect(channelFault(parsed.channel)).toBeUndefined();
    }),
  );
});

it.each([
  ['flow', undefined],
  ['mud/flow', undefined],
  ['mud//flow', 'topic_invalid'],
  ['mud/', 'topic_invalid'],
  ['mud/a+b', 'topic_invalid'],
  [`mud/${'x'.repeat(1021)}`, 'topic_invalid'],
])('judges the channel %j', (channel, code) => {
  expect(channelFault(channel)?.code).toBe(code);
});

it.each([
  ['t/acme/rig-7/x', 'acme'],
  ['spBv1.0/acme', 'acme'],
  ['alone', null],
  ['t//x', null],
])('a dead letter of %s belongs to %s', (topic, tenant) => {
  expect(tenantOfTopic(topic)).toBe(tenant);
});
