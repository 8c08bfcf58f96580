// What a grant says becomes topic filters, or a fault that names the user: never more than the grant.
import { expect, it, test } from 'vitest';
import type { Selector } from '../../lib/selector.ts';
import type { Decider } from '../decide/decision.ts';
import type { Obligations } from '../grant.ts';
import { exportAccess } from './access.ts';

/** A policy that grants everyone these series. */
function granting(selectors: readonly Selector[], obligations: Obligations = {}): Decider {
  return {
    revision: '1',
    decide: ({ action, claims }) => ({
      ...{ allow: true, reason: 'so', action, decisionId: 'd', revision: '1' },
      ...{ tenant: claims.tenant, selectors, obligations },
    }),
  };
}

function ask(policy: Decider, tenant = 'acme') {
  const claims = { sub: 's', tenant, roles: ['device'], exp: 1 };
  return exportAccess(policy, [{ username: 'plc', claims }], 0);
}

const asset = (value: string) => ({ label: 'asset', op: '=', value }) as const;
const channel = (value: string) => ({ label: 'channel', op: '=', value }) as const;

const EXPRESSIBLE: readonly (readonly [
  selectors: readonly Selector[],
  filters: readonly string[],
])[] = [
  [[], []],
  [[[]], ['t/acme/+/#']],
  [[[asset('rig 7')]], ['t/acme/rig 7/#']],
  [
    [[asset('a')], [asset('b')], [asset('a')]],
    ['t/acme/a/#', 't/acme/b/#'],
  ],
  [[[asset('a'), channel('mud/flow')]], ['t/acme/a/mud/flow']],
  [[[channel('flow'), asset('a')]], ['t/acme/a/flow']],
  [[[channel('flow')]], ['t/acme/+/flow']],
  [[[asset('a'), asset('b')]], []],
  [[[asset('a'), asset('a')]], ['t/acme/a/#']],
];

test.each(EXPRESSIBLE)('%j is published as %j', (selectors, filters) => {
  const { access, faults } = ask(granting(selectors));
  expect(faults).toEqual([]);
  expect(access[0]?.publish.filters).toEqual(filters);
});

const INEXPRESSIBLE: readonly (readonly [selector: Selector, fault: RegExp])[] = [
  [[{ label: 'asset', op: '=~', value: 'rig-.+' }], /asset=~"rig-\.\+".* cannot be said/],
  [[{ label: 'asset', op: '!=', value: 'rig-7' }], /cannot be said/],
  [[{ label: 'channel', op: '!~', value: 'x' }], /cannot be said/],
  [[asset('a'), { label: 'site', op: '=', value: 'north' }], /site="north"/],
  [[asset('a/b')], /has a slash/],
  [[asset('+')], /cannot stand in a topic/],
  [[asset('#')], /cannot stand/],
  [[asset('a\ntopic write #')], /cannot stand/],
  [[asset(' a')], /cannot stand/],
  [[asset('')], /empty/],
  [[channel('mud/#')], /cannot stand/],
  [[channel('')], /empty/],
];

test.each(INEXPRESSIBLE)('%j is a fault', (selector, fault) => {
  const { access, faults } = ask(granting([[asset('fine')], selector]));
  expect(faults).toHaveLength(2);
  for (const said of faults) expect(said).toMatch(fault);
  expect(faults[0]).toMatch(/^user plc, publish: /);
  expect(access[0]).toMatchObject({ publish: { filters: [] }, subscribe: { filters: [] } });
});

it('refuses tenants that are no level of a topic', () => {
  expect(ask(granting([[]]), 'a/b').faults[0]).toMatch(/tenant "a\/b" has a slash/);
  expect(ask(granting([[]]), '+').faults[0]).toMatch(/tenant "\+" cannot stand/);
});

it('subscribes nobody whose answers are held to something, because a broker does not hold to it', () => {
  const { access, faults } = ask(granting([[]], { delay_ms: 60_000, redact: ['site'] }));
  expect(faults).toEqual([]);
  expect(access[0]).toMatchObject({
    publish: { filters: ['t/acme/+/#'] },
    subscribe: { filters: [], reason: 'a broker cannot hold to delay_ms, redact' },
  });
});
