import { describe, expect, it } from 'vitest';
import { createRing } from '../../lib/feed/ring.ts';
import { createLog } from '../../lib/log.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Series } from '../../store/series.ts';
import { createHub, type Member } from './hub.ts';
import { createSubscription, type Subscription } from './subscription.ts';

const log = createLog('silent');
const clock = () => 0;

function seriesOf(id: number): Series {
  return {
    ...{ id, tenant: 'acme', asset: 'rig-1', channel: `c${id}`, labels: {} },
    ...{ unit: null, kind: 'number', index: 'time' },
  };
}

function readings(...rows: (readonly [seriesId: number, value: number])[]) {
  return {
    kind: 'readings' as const,
    seriesIds: rows.map(([id]) => id),
    timesUs: rows.map((_, i) => i * 1_000),
    values: rows.map(([, value]) => value),
    qualities: rows.map(() => 0),
  };
}

/** A catalogue that learns of series only when it is asked to look them up, as in another process. */
function slowCatalogue(): Pick<Catalogue, 'byId' | 'lookUp'> & { answer: () => void } {
  const known = new Map<number, Series>();
  let answer: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  return {
    byId: (id) => known.get(id),
    async lookUp(ids) {
      await asked;
      for (const id of ids) known.set(id, seriesOf(id));
      return ids.map(seriesOf);
    },
    answer: () => answer(),
  };
}

describe('the hub', () => {
  it('gives points to those who want their series, and to nobody else', async () => {
    const feed = createRing({ recordsMax: 100, pointsMax: 100, log });
    const hub = await createHub({ feed, catalogue: slowCatalogue(), clock, log });
    const position = await feed.position();
    const options = { position, maxHz: undefined, clock };
    const one = createSubscription({ ...options, id: 'a', seriesIds: [1] });
    const other = createSubscription({ ...options, id: 'b', seriesIds: [3] });
    const member = memberWith([one, other]);
    hub.join(member);
    for (const subscription of [one, other]) {
      subscription.hold(hub.attach(member, subscription));
      subscription.release();
    }
    await feed.append(readings([1, 10], [2, 20], [1, 11]));
    expect(one.take(0)).toMatchObject({
      points: [
        { seriesId: 1, t: 0, value: 10 },
        { seriesId: 1, t: 2, value: 11 },
      ],
    });
    expect(other.take(0)).toBeUndefined();
    hub.leave(member);
    await feed.append(readings([1, 12]));
    expect(one.take(0)).toBeUndefined();
  });

  it('misses no point of a series that another process made, however late it learns of it', async () => {
    const feed = createRing({ recordsMax: 100, pointsMax: 100, log });
    const catalogue = slowCatalogue();
    const hub = await createHub({ feed, catalogue, clock, log });
    const position = await feed.position();
    const subscription = createSubscription({
      id: 'a',
      seriesIds: [],
      position,
      maxHz: undefined,
      clock,
    });
    let announce: () => void = () => undefined;
    const announced = new Promise<void>((resolve) => {
      announce = resolve;
    });
    const member = memberWith([subscription], (series, missed) => {
      const ids = new Set(series.map((one) => one.id));
      subscription.add(ids);
      hub.widen(subscription, ids);
      subscription.catchUp(missed.records, ids, missed.position);
      announce();
    });
    hub.join(member);
    subscription.hold(hub.attach(member, subscription));
    subscription.release();
    await feed.append({ kind: 'series', ids: [7] });
    await feed.append(readings([7, 1]));
    catalogue.answer();
    await announced;
    await feed.append(readings([7, 2]));
    expect([subscription.take(0), subscription.take(0)]).toMatchObject([
      {
        points: [
          { seriesId: 7, t: 0, value: 1 },
          { seriesId: 7, t: 0, value: 2 },
        ],
      },
      undefined,
    ]);
  });
});

function memberWith(
  subscriptions: readonly Subscription[],
  created: Member['created'] = () => undefined,
): Member {
  const nothing = () => undefined;
  return { subscriptions: () => subscriptions, created, ready: nothing, gap: nothing };
}
