import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { DecisionInput } from '../../policies/decide/decision.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import {
  heldReader,
  openHouse,
  type SessionHouse,
  type TestSession,
  turn,
  until,
} from '../../test/tail-sessions.ts';

const NOW = Date.UTC(2026, 0, 2, 12);

let nowMs = NOW;
afterEach(() => {
  nowMs = NOW;
});

function claimsOf(i: number, more: Partial<Claims> = {}): Claims {
  const iat = NOW / 1_000 - 60;
  return {
    ...{ sub: `s${i}`, tenant: 'acme', roles: ['viewer'], iat, exp: iat + 36_000, jti: `j${i}` },
    ...more,
  };
}

const none = (grant: Grant): Grant => ({ ...grant, selectors: [] });
const denied = (grant: Grant): Grant => ({ ...none(grant), allow: false, reason: 'no' });
const ofType = (one: TestSession, type: string) =>
  one.frames.filter((frame) => frame.type === type);

async function open(options: Parameters<typeof openHouse>[0] = {}): Promise<SessionHouse> {
  const house = await openHouse({ clock: () => nowMs, ...options });
  onTestFinished(() => house.stop());
  return house;
}

async function follow(house: SessionHouse, i: number, more: object = { match: '{}' }) {
  const one = house.open(claimsOf(i));
  await one.session.receive({ type: 'subscribe', id: 'a', ...more });
  return one;
}

describe('between a change and the decision', () => {
  it.each<[what: string, change: (house: SessionHouse) => void]>([
    ['other rules', (house) => house.rules.put(none)],
    [
      'a revocation',
      ({ revocations }) => {
        revocations.add({ tenant: 'acme', subject: 's0', revokedAtMs: NOW });
      },
    ],
  ])('nothing is sent: %s', async (_, change) => {
    const house = await open();
    const spp = house.make('rig-1', 'spp');
    const one = await follow(house, 0);
    await house.feedPoints([[spp, NOW, 1]]);
    expect(ofType(one, 'data')).toHaveLength(1);
    change(house);
    // In the same turn: the connection has not had its own yet.
    await house.feedPoints([[spp, NOW + 1, 2]]);
    one.session.drained();
    one.session.tick(nowMs);
    expect(ofType(one, 'data')).toHaveLength(1);
    await turn();
    await turn();
    await house.feedPoints([[spp, NOW + 2, 3]]);
    expect(ofType(one, 'data')).toHaveLength(1);
  });

  it('what came meanwhile is sent after it where it says the same', async () => {
    const house = await open();
    const spp = house.make('rig-1', 'spp');
    const one = await follow(house, 0);
    house.rules.put((grant) => grant);
    await house.feedPoints([[spp, NOW, 1]]);
    expect(ofType(one, 'data')).toEqual([]);
    await until(() => ofType(one, 'data').length === 1);
  });

  it('a series that is created is told of after it, if it may be seen then', async () => {
    const house = await open();
    const [one, other] = [await follow(house, 0), await follow(house, 1)];
    house.rules.put((grant, { claims }) => (claims.sub === 's1' ? none(grant) : grant));
    const spp = house.make('rig-1', 'spp');
    await house.feed.append({ kind: 'series', ids: [spp.id] });
    await house.feedPoints([[spp, NOW, 1]]);
    expect([one.frames.length, other.frames.length]).toEqual([1, 1]);
    await until(() => ofType(one, 'data').length === 1);
    expect(one.frames.map((frame) => frame.type)).toEqual(['subscribed', 'series', 'data']);
    expect(other.frames.map((frame) => frame.type)).toEqual(['subscribed']);
  });
});

describe('what is read while a right ends', () => {
  const snapshot = { start: 'now-1h', points: 'raw' };

  it.each<[what: string, change: (grant: Grant, input: DecisionInput) => Grant, sent: string[]]>([
    [
      'the tail is denied',
      (grant, { action }) => (action === 'tail' ? denied(grant) : grant),
      ['subscribed'],
    ],
    [
      'ranges are',
      (grant, { action }) => (action === 'range' ? denied(grant) : grant),
      ['subscribed', 'error'],
    ],
  ])('is not sent: %s', async (_, change, sent) => {
    const { waiting, rangeReader } = heldReader();
    const house = await open({ rangeReader });
    house.make('rig-1', 'spp');
    const one = house.open(claimsOf(0));
    const subscribing = one.session.receive({ type: 'subscribe', id: 'a', match: '{}', snapshot });
    await until(() => waiting.length === 1);
    house.rules.put(change);
    waiting[0]?.answer();
    await subscribing;
    expect(one.frames.map((frame) => frame.type)).toEqual(sent);
  });

  it('is read again where less may be seen now', async () => {
    const { waiting, rangeReader } = heldReader();
    const house = await open({ rangeReader });
    const [spp] = [house.make('rig-1', 'spp'), house.make('rig-2', 'rpm')];
    const one = house.open(claimsOf(0));
    const subscribing = one.session.receive({ type: 'subscribe', id: 'a', match: '{}', snapshot });
    await until(() => waiting.length === 1);
    const rig1 = [[{ label: 'asset', op: '=' as const, value: 'rig-1' }]];
    house.rules.put((grant) => ({ ...grant, selectors: rig1 }));
    waiting[0]?.answer();
    await until(() => waiting.length === 2);
    expect(waiting[1]?.request.series.map(({ id }) => id)).toEqual([spp.id]);
    waiting[1]?.answer();
    await subscribing;
    const [frame] = ofType(one, 'snapshot');
    expect(frame?.series).toMatchObject([{ id: spp.id }]);
  });

  it('of a delayed tail as well', async () => {
    const { waiting, rangeReader } = heldReader();
    const house = await open({ rangeReader });
    house.rules.put((grant) => ({ ...grant, obligations: { delay_ms: 1_000 } }));
    const spp = house.make('rig-1', 'spp');
    const one = await follow(house, 0);
    nowMs += 10_000;
    await until(() => {
      // More than one where its decision is to be renewed by then.
      one.session.tick(nowMs);
      return waiting.length === 1;
    });
    expect(waiting[0]?.request.series.map(({ id }) => id)).toEqual([spp.id]);
    house.rules.put((grant) => ({ ...none(grant), obligations: { delay_ms: 1_000 } }));
    waiting[0]?.answer();
    await until(() => house.services.rechecks.waiting.settling === 0);
    expect(one.frames.map((frame) => frame.type)).toEqual(['subscribed', 'series']);
  });
});

it('looks for what a wider decision allows once for all who ask the same, and forgets the answers', async () => {
  const house = await open();
  const spp = house.make('rig-1', 'spp');
  const { finder } = house.services;
  const grant = house.rules.policy.decide({ action: 'tail', claims: claimsOf(0), nowMs });
  const matching = (channel: string) =>
    ({ kind: 'match', selector: [{ label: 'channel', op: '=', value: channel }] }) as const;
  const found = finder.find(matching('spp'), grant);
  expect(found).toEqual([spp.id]);
  expect(finder.find(matching('spp'), { ...grant, decisionId: 'another' })).toBe(found);
  expect(finder.find(matching('spp'), { ...grant, selectors: [] })).toEqual([]);
  house.make('rig-2', 'spp');
  expect(finder.find(matching('spp'), grant)).toHaveLength(2);
  for (let i = 0; i < 100; i += 1) finder.find(matching(`c${i}`), grant);
  const text = await house.metrics.exposition();
  const size = Number(/^tailrace_tail_choices_size (\d+)$/m.exec(text)?.[1]);
  const max = Number(/^tailrace_tail_choices_max (\d+)$/m.exec(text)?.[1]);
  expect([size > 0, size <= max]).toEqual([true, true]);
});

describe('a tail that lives for long', () => {
  it('is decided again each minute, at a time of its own, as the renewal of the same decision', async () => {
    const house = await open();
    const asked = new Map<string, { ms: number; renews: Grant | undefined }[]>();
    house.rules.put((grant, { claims, renews, action }) => {
      if (action !== 'tail') return grant;
      asked.set(claims.sub, [...(asked.get(claims.sub) ?? []), { ms: nowMs, renews }]);
      return grant;
    });
    const sessions = Array.from({ length: 100 }, (_, i) => house.open(claimsOf(i)));
    let most = 0;
    for (let second = 0; second < 180; second += 1) {
      nowMs += 1_000;
      const before = [...asked.values()].flat().length;
      for (const { session } of sessions) session.tick(nowMs);
      await until(() => house.services.rechecks.waiting.settling === 0);
      most = Math.max(most, [...asked.values()].flat().length - before);
    }
    for (const times of asked.values()) {
      const gaps = times.slice(1).map(({ ms }, i) => ms - (times[i]?.ms ?? 0));
      expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000);
      expect(times.length).toBeLessThanOrEqual(5);
      expect(new Set(times.slice(1).map(({ renews }) => renews)).size).toBe(1);
    }
    expect(most).toBeLessThan(20);
  });

  it('keeps its token where the new one is of another issuer', async () => {
    const house = await open();
    const one = house.open(claimsOf(0, { iss: 'here' }));
    house.tokens
      .set('same', claimsOf(0, { iss: 'here' }))
      .set('other', claimsOf(0, { iss: 'there' }));
    await one.session.receive({ type: 'reauth', token: 'other' });
    await one.session.receive({ type: 'reauth', token: 'same' });
    expect(one.frames.map(({ type, code }) => [type, code])).toEqual([
      ['error', 'forbidden'],
      ['reauthed', undefined],
    ]);
  });
});

describe('five thousand tails', () => {
  let house: SessionHouse;
  let series: Series[] = [];
  const sessions: TestSession[] = [];
  const feedAll = () => house.feedPoints(series.map((one) => [one, nowMs, 1]));

  beforeAll(async () => {
    house = await openHouse({ clock: () => nowMs });
    series = Array.from({ length: 1_000 }, (_, i) => house.make(`rig-${i}`, 'spp'));
    for (let i = 0; i < 5_000; i += 1) {
      sessions.push(await follow(house, i, { match: `{asset="rig-${i % 1_000}"}` }));
    }
  });
  afterAll(() => house.stop());

  it('follow a change of rules without keeping everything else waiting, and are sent nothing before', async () => {
    const even = [[{ label: 'asset', op: '=~' as const, value: 'rig-.*[02468]' }]];
    let turns = 0;
    house.rules.put((grant) => ({ ...grant, selectors: even }));
    await feedAll();
    expect(sessions.some((one) => ofType(one, 'data').length > 0)).toBe(false);
    while (house.services.rechecks.waiting.settling > 0) {
      await turn();
      turns += 1;
    }
    const got = sessions.map((one) => ofType(one, 'data').length);
    expect(got.every((count, i) => count === (i % 2 === 0 ? 1 : 0))).toBe(true);
    // Everything else has its turns meanwhile. Seen on a quiet machine: 60, each of 5 ms.
    expect(turns).toBeGreaterThan(5);
  });

  it('got their last points before a revocation, and are told at once', async () => {
    const before = sessions.map((one) => ofType(one, 'data').length);
    const isAsBefore = (one: TestSession) => {
      return ofType(one, 'data').length === before[sessions.indexOf(one)];
    };
    // All at once, each by itself, and one by its token's id.
    for (let i = 0; i < 2_500; i += 1) {
      house.revocations.add({ tenant: 'acme', subject: `s${i}`, revokedAtMs: NOW });
    }
    house.revocations.add({ tenant: 'acme', tokenId: 'j4999', revokedAtMs: NOW });
    await feedAll();
    const over = sessions.filter((_, i) => i < 2_500 || i === 4_999);
    await until(() => over.every((one) => one.closed?.code === 4403));
    await until(() => house.services.rechecks.waiting.settling === 0);
    // Not one more, from the moment of the revocation.
    expect(over.every(isAsBefore)).toBe(true);
    expect(sessions.filter((one) => one.closed !== undefined)).toHaveLength(over.length);
  });
});
