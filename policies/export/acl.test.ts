// What an exported ACL allows is what the policy allows: read back by a small reader of each format.
import fc from 'fast-check';
import { beforeAll, describe, expect, it, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { readBundleFile, shippedBundlePath } from '../bundles/bundle.ts';
import type { Policy } from '../decide/decision.ts';
import { createPolicy } from '../decide/policy.ts';
import type { Claims } from '../grant.ts';
import { type BrokerAccess, exportAccess } from './access.ts';
import { emqxAcl } from './emqx.ts';
import { mosquittoAcl } from './mosquitto.ts';

const NOW_MS = 1_700_000_000_000;
const GROUPS = { acme: { north: ['rig-1', 'rig 2'] }, other: { north: ['rig-3'] } };
const WRITERS = { mosquitto: mosquittoAcl, emqx: emqxAcl };
const READERS = { mosquitto: readMosquitto, emqx: readEmqx };
const BROKERS = ['mosquitto', 'emqx'] as const;

type Rule = { readonly user: string; readonly action: string; readonly filter: string };

function readMosquitto(acl: string): Rule[] {
  let user = '';
  return acl.split('\n').flatMap((line) => {
    const words = /^(?:user (?<user>.*)|topic (?<access>read|write) (?<filter>.*))$/.exec(line);
    if (words?.groups === undefined) return [];
    user = words.groups.user ?? user;
    const { access, filter } = words.groups;
    if (filter === undefined) return [];
    return [{ user, action: access === 'write' ? 'publish' : 'subscribe', filter }];
  });
}

function readEmqx(acl: string): Rule[] {
  const strings = /<<"([^"]*)"\/utf8>>|"([^"]*)"/g;
  return acl.split('\n').flatMap((line) => {
    const rule = /^\{allow, \{username, (.*)\}, (publish|subscribe), \[(.*)\]\}\.$/.exec(line);
    if (rule === null) return [];
    const [, who = '', action = '', topics = ''] = rule;
    const [user = ''] = [...who.matchAll(strings)].map(([, wide, plain]) => wide ?? plain ?? '');
    return [...topics.matchAll(strings)].map(([, wide, plain]) => {
      return { user, action, filter: wide ?? plain ?? '' };
    });
  });
}

/** MQTT 5, 4.7.1: + is one level, # is the level before it and all below. */
function covers(filter: string, topic: string): boolean {
  const levels = topic.split('/');
  const wanted = filter.split('/');
  return (
    wanted.every((one, at) => {
      return one === '#'
        ? levels.length >= at
        : one === '+'
          ? at < levels.length
          : one === levels[at];
    }) &&
    (wanted.at(-1) === '#' || wanted.length === levels.length)
  );
}

let policy: Policy;
beforeAll(async () => {
  const shipped = await readBundleFile(shippedBundlePath());
  const options = { metrics: createMetrics(), log: createLog('silent'), clock: () => NOW_MS };
  policy = await createPolicy({ ...shipped, data: { ...shipped.data, groups: GROUPS } }, options);
});

const asset = fc.constantFrom('rig-1', 'rig 2', 'rig-3', 'Ålgård');
const claims: fc.Arbitrary<Claims> = fc.record(
  {
    sub: fc.constant('s'),
    tenant: fc.constantFrom('acme', 'other'),
    roles: fc.subarray(['viewer', 'device', 'admin', 'nobody']),
    exp: fc.constant(2_000_000_000),
    assets: fc.oneof(fc.uniqueArray(asset), fc.constant('rig-1')),
    asset_groups: fc.subarray(['north', 'west']),
    device: asset,
    clearance: fc.constantFrom('public', 'secret', 'cosmic'),
    shift: fc.constantFrom('day', 'night'),
  },
  { requiredKeys: ['sub', 'tenant', 'roles', 'exp'] },
);
const labels = fc.record({
  tenant: fc.constantFrom('acme', 'other'),
  asset,
  channel: fc.constantFrom('flow', 'mud/flow', 'a b'),
});

describe.each(BROKERS)('an ACL for %s', (broker) => {
  it('allows a topic exactly where the policy allows its labels', () => {
    fc.assert(
      fc.property(fc.uniqueArray(claims, { minLength: 1, maxLength: 4 }), labels, (all, asked) => {
        const principals = all.map((one, n) => ({ username: `user ${n}`, claims: one }));
        const { access, faults } = exportAccess(policy, principals, NOW_MS);
        expect(faults).toEqual([]);
        const rules = READERS[broker](WRITERS[broker](access, { revision: '1', nowMs: NOW_MS }));
        const topic = `t/${asked.tenant}/${asked.asset}/${asked.channel}`;
        for (const { username, claims: theirs } of principals) {
          for (const action of ['publish', 'subscribe'] as const) {
            const allowed = rules.some(
              (rule) =>
                rule.user === username && rule.action === action && covers(rule.filter, topic),
            );
            const input = { action, claims: theirs, labels: asked, nowMs: NOW_MS };
            expect({ username, action, topic, allowed }).toEqual({
              username,
              action,
              topic,
              allowed: policy.decide(input).allow,
            });
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('says when it was made, of what, and what it cannot know', () => {
    const acl = WRITERS[broker]([], { revision: '7', nowMs: NOW_MS });
    expect(acl).toContain('policy revision "7"');
    expect(acl).toContain('2023-11-14T22:13:20.000Z');
    expect(acl).toMatch(/shifts .* stay as they were then, the end of a token \(exp\)/s);
  });

  it('gives tailrace itself what it subscribes to, and no more', () => {
    const acl = WRITERS[broker]([], { revision: '7', nowMs: NOW_MS, ingester: 'tailrace' });
    expect(READERS[broker](acl)).toEqual([
      { user: 'tailrace', action: 'subscribe', filter: 't/#' },
      { user: 'tailrace', action: 'subscribe', filter: 'spBv1.0/#' },
    ]);
  });
});

/** Access that a policy of somebody else's might give. */
function accessOf(username: string, filter: string, reason = 'because'): BrokerAccess[] {
  return [{ username, publish: { filters: [filter], reason }, subscribe: { filters: [], reason } }];
}

const NAMES: readonly (readonly [broker: keyof typeof WRITERS, name: string, right: boolean])[] = [
  ['mosquitto', 'plc 7', true],
  ['mosquitto', 'plc"7', true],
  ['mosquitto', 'plc\nuser admin', false],
  ['mosquitto', 'plc\r7', false],
  ['mosquitto', ' plc', false],
  ['mosquitto', 'plc ', false],
  ['mosquitto', '', false],
  ['mosquitto', 'plc:7', false],
  ['mosquitto', 'tailrace', false],
  ['emqx', 'plc 7', true],
  ['emqx', 'plc:7', true],
  ['emqx', 'plc"7', false],
  ['emqx', 'plc\\', false],
  ['emqx', '$user', false],
  ['emqx', '%u', false],
  ['emqx', 'plc\n7', false],
  ['emqx', 'plc\u2028', false],
  ['emqx', 'plc\ud800', false],
  ['emqx', 'tailrace', false],
];

test.each(NAMES)('an ACL for %s with a user %j is written: %s', (broker, name, right) => {
  const origin = { revision: '1', nowMs: NOW_MS, ingester: 'tailrace' };
  const write = () => WRITERS[broker](accessOf(name, 't/acme/rig/#'), origin);
  if (!right) return expect(write).toThrow(/The ACL cannot be written/);
  const mine = READERS[broker](write()).filter(({ user }) => user !== 'tailrace');
  expect(mine).toEqual([{ user: name, action: 'publish', filter: 't/acme/rig/#' }]);
});

test.each(BROKERS)('a reason cannot write a line into an ACL for %s', (broker) => {
  const reason = 'no\nuser x\ntopic write #\n{allow, all}.';
  const acl = WRITERS[broker](accessOf('plc', 't/acme/rig/#', reason), {
    revision: '1\n{allow, all}.',
    nowMs: NOW_MS,
  });
  const rules = acl.split('\n').filter((line) => !/^(#|%%|$)/.test(line));
  expect(rules.join('\n')).not.toMatch(/user x|allow, all/);
});
