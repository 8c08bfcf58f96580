// Rules, tokens and series change in any order, beside a brute-force reading of what may be sent.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecisionInput } from '../../policies/decide/decision.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { openHouse, type SessionHouse, type TestSession } from '../../test/tail-sessions.ts';
import type { ServerFrame } from './frames.ts';

type Row = readonly [seriesId: number, t: number, value: number];

const NOW = Date.UTC(2026, 0, 2, 12);
const ASSETS = ['rig-1', 'rig-2', 'rig-3'];

/** What the rules of the moment allow everyone, beside what a token says. */
interface Rules {
  readonly isOpen: boolean;
  readonly assets: readonly string[];
  /** A label that is redacted. */
  readonly isRedacted: boolean;
  readonly maxHz: number | undefined;
}

type Step =
  | { readonly kind: 'rules'; readonly rules: Rules }
  | { readonly kind: 'series'; readonly asset: string; readonly site: string }
  | { readonly kind: 'point'; readonly pick: number }
  | { readonly kind: 'reauth'; readonly assets: readonly string[] }
  | { readonly kind: 'revoke' }
  | { readonly kind: 'stall'; readonly isStalled: boolean }
  | { readonly kind: 'turns'; readonly count: number }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'subscribe'; readonly match: string; readonly id: string };

const assets = fc.subarray(ASSETS);
const rulesOf = fc.record<Rules>({
  isOpen: fc.constantFrom(true, true, true, true, true, false),
  assets,
  isRedacted: fc.boolean(),
  maxHz: fc.constantFrom(undefined, undefined, 1),
});

/** Steps of one kind; `weight` of them in 100. */
function stepsOf<K extends Step['kind']>(
  weight: number,
  kind: K,
  members: { [M in keyof Omit<Extract<Step, { kind: K }>, 'kind'>]: fc.Arbitrary<unknown> },
) {
  const arbitrary = fc.record({ kind: fc.constant(kind), ...members }) as fc.Arbitrary<unknown>;
  return { weight, arbitrary: arbitrary as fc.Arbitrary<Step> };
}

const step: fc.Arbitrary<Step> = fc.oneof(
  stepsOf(30, 'point', { pick: fc.nat(50) }),
  stepsOf(15, 'rules', { rules: rulesOf }),
  stepsOf(10, 'series', {
    asset: fc.constantFrom(...ASSETS),
    site: fc.constantFrom('north', 'south'),
  }),
  stepsOf(9, 'reauth', { assets }),
  stepsOf(10, 'subscribe', {
    match: fc.constantFrom('{}', '{site="north"}', '{asset=~"rig-[12]"}'),
    id: fc.constantFrom('a', 'b'),
  }),
  stepsOf(15, 'turns', { count: fc.integer({ min: 1, max: 4 }) }),
  stepsOf(5, 'time', { ms: fc.constantFrom(10, 1_000, 70_000) }),
  stepsOf(5, 'stall', { isStalled: fc.boolean() }),
  stepsOf(1, 'revoke', {}),
);

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One connection, the world around it, and what the model knows of both. */
async function openWorld() {
  let nowMs = NOW;
  const house: SessionHouse = await openHouse({ clock: () => nowMs });
  const claimsOf = (own: readonly string[]): Claims => {
    return { sub: 'ann', tenant: 'acme', roles: ['viewer'], iat: 1, exp: 9e9, assets: own };
  };
  let rules: Rules = { isOpen: true, assets: ASSETS, isRedacted: false, maxHz: undefined };
  let claims = claimsOf(ASSETS);
  /** Of a token that was brought and not yet taken: until `reauthed` says that it was, either counts. */
  let offered: Claims | undefined;
  let isRevoked = false;
  const made: Series[] = [];
  const wrong: unknown[] = [];

  const decided = (grant: Grant, { claims: asked }: DecisionInput): Grant => {
    if (!grant.allow) return grant;
    if (!rules.isOpen) return { ...grant, allow: false, selectors: [], obligations: {} };
    const own = rules.assets.filter((asset) => (asked.assets as string[]).includes(asset));
    return {
      ...grant,
      selectors: own.map((value) => [{ label: 'asset', op: '=', value }]),
      obligations: {
        ...(rules.isRedacted ? { redact: ['site'] } : {}),
        ...(rules.maxHz === undefined ? {} : { max_rate_hz: rules.maxHz }),
      },
    };
  };
  house.rules.put(decided);

  /** By brute force: what the rules and the token of this moment allow. */
  function mayBeSent(id: number, match: string): boolean {
    const series = made.find((one) => one.id === id);
    if (series === undefined || isRevoked || !rules.isOpen) return false;
    if (!rules.assets.includes(series.asset)) return false;
    const tokens = offered === undefined ? [claims] : [claims, offered];
    if (!tokens.some((one) => (one.assets as string[]).includes(series.asset))) return false;
    if (match === '{site="north"}') return !rules.isRedacted && series.labels.site === 'north';
    return match === '{}' || series.asset !== 'rig-3';
  }

  const matches = new Map<string, string>();
  function check(frame: ServerFrame): void {
    if (frame.type === 'reauthed' && offered !== undefined) {
      claims = offered;
      offered = undefined;
    }
    const match = matches.get(String(frame.id)) ?? '';
    const shown = (frame.series ?? frame.added ?? []) as Series[];
    const points = (frame.points ?? []) as Row[];
    for (const one of shown) {
      if (!mayBeSent(one.id, match)) wrong.push(['series', one, frame]);
      if (rules.isRedacted && one.labels.site !== undefined) wrong.push(['label', one, frame]);
    }
    for (const [id] of points) if (!mayBeSent(id, match)) wrong.push(['point', id, frame]);
  }

  const one: TestSession = house.open(claims);
  one.onFrame = check;
  // Of the same subscriptions: where nothing keeps them apart, both are sent one frame.
  const companion: TestSession = house.open(claims);

  async function settle(): Promise<void> {
    const { waiting } = house.services.rechecks;
    for (let turns = 0; turns < 3; turns += 1) await turn();
    if (waiting.settling + waiting.completing > 0) await settle();
  }

  async function run(step: Step): Promise<void> {
    switch (step.kind) {
      case 'rules':
        rules = step.rules;
        house.rules.put(decided);
        return;
      case 'series': {
        const { asset, site } = step;
        const series = house.make(asset, `c${made.length}`, { site });
        made.push(series);
        await house.feed.append({ kind: 'series', ids: [series.id] });
        return;
      }
      case 'point': {
        const series = made[step.pick % Math.max(1, made.length)];
        if (series !== undefined) await house.feedPoints([[series, nowMs, step.pick]]);
        return;
      }
      case 'reauth': {
        offered = claimsOf(step.assets);
        house.tokens.set('new', offered);
        await one.session.receive({ type: 'reauth', token: 'new' });
        offered = undefined;
        return;
      }
      case 'revoke':
        isRevoked = true;
        house.revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs: nowMs });
        return;
      case 'stall':
        one.unsent = step.isStalled ? 1e9 : 0;
        if (!step.isStalled) one.session.drained();
        return;
      case 'turns':
        for (let turns = 0; turns < step.count; turns += 1) await turn();
        return;
      case 'time':
        nowMs += step.ms;
        for (const { session } of [one, companion]) session.tick(nowMs);
        return;
      case 'subscribe': {
        matches.set(step.id, step.match);
        const frame = { type: 'subscribe', id: step.id, match: step.match };
        await companion.session.receive(frame);
        await one.session.receive(frame);
      }
    }
  }

  /** Feeds every series a last value, and compares who got it with who should have. */
  async function atTheEnd(): Promise<void> {
    one.unsent = 0;
    await settle();
    nowMs += 2_000;
    one.session.tick(nowMs);
    await settle();
    one.session.drained();
    const mayBeOpen = !isRevoked && rules.isOpen;
    // Who stops reading for long is closed for that, too.
    if (!mayBeOpen) expect([4403, 4408]).toContain(one.closed?.code);
    if (one.closed !== undefined) return;
    const before = one.frames.length;
    nowMs += 2_000;
    await house.feedPoints(made.map((series) => [series, nowMs, -1]));
    await settle();
    nowMs += 2_000;
    one.session.tick(nowMs);
    await settle();
    const got = one.frames.slice(before).flatMap((frame) => {
      const points = (frame.points ?? []) as Row[];
      return points.filter(([, , value]) => value === -1).map(([id]) => `${frame.id} ${id}`);
    });
    const due = [...matches].flatMap(([id, match]) =>
      made.filter((series) => mayBeSent(series.id, match)).map((series) => `${id} ${series.id}`),
    );
    expect(got.toSorted()).toEqual(due.toSorted());
  }

  return { run, atTheEnd, wrong, stop: () => house.stop() };
}

describe('a tail', () => {
  it('is sent what is allowed at that moment only, and in the end exactly that', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const world = await openWorld();
        try {
          await world.run({ kind: 'subscribe', match: '{}', id: 'a' });
          for (const one of steps) await world.run(one);
          await world.atTheEnd();
          expect(world.wrong).toEqual([]);
        } finally {
          world.stop();
        }
      }),
      { numRuns: 150 },
    );
  });
});
