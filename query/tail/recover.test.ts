// Who resumes over much is sent it in slices: all of it, at its own pace, and nobody else waits for that.
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Claims } from '../../policies/grant.ts';
import type { Series } from '../../store/series.ts';
import { openHouse, type TestSession, turn, until } from '../../test/tail-sessions.ts';

type Row = readonly [seriesId: number, t: number, value: number];

const RECORDS = 30;
const CHANNELS = 1_000;
const CLAIMS: Claims = { sub: 'ann', tenant: 'acme', roles: ['viewer'], iat: 1, exp: 9e9 };
const STALLED = 1e9;

const rowsOf = ({ frames }: TestSession) =>
  frames.flatMap((frame) => (frame.points ?? []) as Row[]);
const valuesOf = (session: TestSession) => rowsOf(session).map(([, , value]) => value);

/** A log of many points of two assets, values counted from 0, and its beginning. */
async function openLog() {
  const house = await openHouse();
  onTestFinished(() => house.stop());
  const series = Array.from({ length: CHANNELS }, (_, i) => house.make(`rig-${i % 2}`, `c${i}`));
  const since = encodeCursor(await house.feed.position());
  const startMs = Date.now();
  const feed = async (record: number, those: readonly Series[]) => {
    const point = (one: Series, i: number) =>
      [one, startMs + record, record * CHANNELS + i] as const;
    await house.feedPoints(those.map(point));
  };
  for (let record = 0; record < RECORDS; record += 1) await feed(record, series);
  const resume = async (session: TestSession) => {
    await session.session.receive({ type: 'subscribe', id: 'a', match: '{}', since });
  };
  return { house, series, feed, resume };
}

const counted = (count: number) => Array.from({ length: count }, (_, i) => i);

describe('a client that resumes over much', () => {
  it('is sent every point as it reads, however slowly, and what comes meanwhile behind', async () => {
    const { house, series, feed, resume } = await openLog();
    const one = house.open(CLAIMS);
    let frames = 0;
    // It stops after every second frame.
    one.onFrame = () => {
      frames += 1;
      if (frames % 2 === 0) one.unsent = STALLED;
    };
    const resumed = resume(one);
    await until(() => one.unsent === STALLED);
    await feed(RECORDS, series);
    while (rowsOf(one).length < (RECORDS + 1) * CHANNELS) {
      one.unsent = 0;
      one.session.drained();
      await turn();
    }
    await resumed;
    expect(valuesOf(one)).toEqual(counted((RECORDS + 1) * CHANNELS));
    expect(one.frames.map(({ dropped = 0 }) => dropped)).toEqual(one.frames.map(() => 0));
    expect(one.frames[0]).toMatchObject({ type: 'subscribed', recovered: true });
  });

  it('keeps nobody waiting who follows', async () => {
    const { house, series, feed, resume } = await openLog();
    const follower = house.open(CLAIMS);
    await follower.session.receive({ type: 'subscribe', id: 'a', match: '{}' });
    const many = Array.from({ length: 5 }, () => house.open(CLAIMS));
    const resumed = Promise.all(many.map(resume));
    await until(() => many.some((one) => rowsOf(one).length > 0));
    await feed(RECORDS, series);
    expect(rowsOf(follower)).toHaveLength(CHANNELS);
    for (const one of many) expect(rowsOf(one).length).toBeLessThan(RECORDS * CHANNELS);
    await resumed;
    for (const one of many) expect(valuesOf(one)).toEqual(counted((RECORDS + 1) * CHANNELS));
  });

  it('is sent nothing more of what is hidden meanwhile, and goes on with the rest', async () => {
    const { house, resume } = await openLog();
    const one = house.open(CLAIMS);
    const hidden = (rows: readonly Row[]) => rows.filter(([, , value]) => value % 2 === 1);
    const resumed = resume(one);
    await until(() => rowsOf(one).length > 0);
    const before = hidden(rowsOf(one)).length;
    house.rules.put((grant) => ({
      ...grant,
      selectors: [[{ label: 'asset', op: '=', value: 'rig-0' }]],
    }));
    await resumed;
    expect(hidden(rowsOf(one))).toHaveLength(before);
    expect(before).toBeLessThan((RECORDS * CHANNELS) / 2);
    const shown = valuesOf(one).filter((value) => value % 2 === 0);
    expect(shown).toEqual(counted((RECORDS * CHANNELS) / 2).map((i) => 2 * i));
  });

  it('goes on from where it was when it is built anew under other obligations', async () => {
    const { house, resume } = await openLog();
    const one = house.open(CLAIMS);
    const resumed = resume(one);
    await until(() => rowsOf(one).length > 0);
    house.rules.put((grant) => ({ ...grant, obligations: { lookback_ms: 3_600_000 } }));
    await resumed;
    await until(() => new Set(valuesOf(one)).size === RECORDS * CHANNELS);
    const again = one.frames.filter(({ type }) => type === 'subscribed');
    expect(again.map(({ recovered }) => recovered)).toEqual([true, true]);
  });

  it('is sent nothing more once its token is revoked', async () => {
    const { house, resume } = await openLog();
    const one = house.open(CLAIMS);
    const resumed = resume(one);
    await until(() => rowsOf(one).length > 0);
    const before = one.frames.length;
    house.revocations.add({ tenant: 'acme', subject: 'ann', revokedAtMs: Date.now() });
    await resumed;
    expect(one.frames).toHaveLength(before);
    expect(one.closed).toMatchObject({ code: 4403 });
  });
});
