// Readings of open tails have a place in flight, as requests have: snapshots, and what is delayed or coarser.
import { expect, it, onTestFinished } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import type { Claims } from '../../policies/grant.ts';
import {
  heldReader,
  openHouse,
  type SessionHouse,
  type TestSession,
  until,
} from '../../test/tail-sessions.ts';
import { amountsOf } from '../limits/amounts.ts';

const NOW = Date.UTC(2026, 0, 2, 12);
const ANN: Claims = {
  ...{ sub: 'ann', tenant: 'acme', roles: ['viewer'] },
  ...{ iat: NOW / 1_000, exp: NOW / 1_000 + 36_000 },
};
const SNAPSHOT = { start: 'now-1h', points: 'raw' };

let nowMs = NOW;

/** A house with so many places for each subject, and a reader that waits to be told. */
async function open(inFlight: number) {
  nowMs = NOW;
  const reader = heldReader();
  const limits = amountsOf(readConfig({ LIMIT_SUBJECT_IN_FLIGHT: String(inFlight) }));
  const { rangeReader } = reader;
  const house = await openHouse({ clock: () => nowMs, limits, rangeReader });
  onTestFinished(() => house.stop());
  house.make('rig-1', 'spp');
  return { house, reader };
}

const ofType = ({ frames }: TestSession, type: string) =>
  frames.filter((frame) => frame.type === type);

const subscribe = ({ session }: TestSession, id: string, snapshot?: object) =>
  session.receive({ type: 'subscribe', id, match: '{}', snapshot });

const hasRoom = ({ services: { limits } }: SessionHouse) => {
  try {
    limits.checkReading(ANN);
    return true;
  } catch {
    return false;
  }
};

it('a snapshot has a place while it is read: others are refused, what reads nothing is not', async () => {
  const { house, reader } = await open(1);
  const [one, other] = [house.open(ANN), house.open(ANN)];
  const first = subscribe(one, 'a', SNAPSHOT);
  await until(() => reader.waiting.length === 1);
  await subscribe(one, 'b', SNAPSHOT);
  await subscribe(other, 'c', SNAPSHOT);
  for (const [{ frames }, id] of [[one, 'b'] as const, [other, 'c'] as const]) {
    expect(frames.at(-1)).toMatchObject({
      ...{ type: 'error', id, code: 'too_many_requests', limit: 'subject in flight' },
    });
  }
  await subscribe(other, 'd');
  expect(other.frames.at(-1)).toMatchObject({ type: 'subscribed', id: 'd' });
  reader.waiting[0]?.answer();
  await first;
  expect(hasRoom(house)).toBe(true);
  const second = subscribe(one, 'b', SNAPSHOT);
  await until(() => reader.waiting.length === 2);
  reader.waiting[1]?.answer();
  await second;
  expect(ofType(one, 'snapshot').map(({ id }) => id)).toEqual(['a', 'b']);
});

it('a snapshot has a place until its client has taken it, or is gone', async () => {
  const { house, reader } = await open(1);
  for (const end of [
    (one: TestSession) => {
      one.unsent = 0;
      one.session.drained();
    },
    (one: TestSession) => one.session.closed(),
    (one: TestSession) => one.session.close(1012, 'the server restarts'),
  ]) {
    const one = house.open(ANN);
    const subscribing = subscribe(one, 'a', SNAPSHOT);
    await until(() => reader.waiting.length === 1);
    one.unsent = Number.POSITIVE_INFINITY;
    reader.waiting.pop()?.answer();
    await subscribing;
    expect([ofType(one, 'snapshot').length, hasRoom(house)]).toEqual([1, false]);
    end(one);
    expect(hasRoom(house)).toBe(true);
  }
});

it('a snapshot that fails gives its place back', async () => {
  const { house } = await open(1);
  house.services.readerOf(ANN).read = () => Promise.reject(new Error('no database'));
  const one = house.open(ANN);
  await subscribe(one, 'a', SNAPSHOT);
  expect(one.frames.at(-1)).toMatchObject({ type: 'error', id: 'a', code: 'internal_error' });
  expect(hasRoom(house)).toBe(true);
});

it('what is read for a tail ends with it, and after its timeout', async () => {
  const { house, reader } = await open(4);
  const [gone, slow, delayed] = [house.open(ANN), house.open(ANN), house.open(ANN)];
  void subscribe(gone, 'a', SNAPSHOT);
  await until(() => reader.waiting.length === 1);
  gone.session.closed();
  const endedBy = (i: number) => reader.waiting[i]?.request.signal?.reason?.code;
  expect(endedBy(0)).toBe('client_gone');

  await subscribe(slow, 'a', { ...SNAPSHOT, timeout: '20ms' });
  expect(endedBy(1)).toBe('timeout');
  expect(slow.frames.at(-1)).toMatchObject({ type: 'error', id: 'a', code: 'timeout' });

  house.rules.put((grant) => ({ ...grant, obligations: { delay_ms: 60_000 } }));
  await subscribe(delayed, 'a');
  nowMs += 1_000;
  await until(() => {
    delayed.session.tick(nowMs);
    return reader.waiting.length === 3;
  });
  expect(endedBy(2)).toBeUndefined();
  delayed.session.closed();
  expect(endedBy(2)).toBe('client_gone');
});

it('what is delayed waits for a place, and loses nothing by it', async () => {
  const { house, reader } = await open(1);
  house.rules.put((grant) => ({ ...grant, obligations: { delay_ms: 60_000 } }));
  const one = house.open(ANN);
  await subscribe(one, 'a');
  const leave = house.services.limits.enterReading(ANN);
  for (let i = 0; i < 5; i += 1) {
    nowMs += 1_000;
    one.session.tick(nowMs);
  }
  expect([reader.waiting.length, ofType(one, 'error').length]).toEqual([0, 0]);
  leave();
  nowMs += 1_000;
  await until(() => {
    // More than once where its decision is to be renewed by then.
    one.session.tick(nowMs);
    return reader.waiting.length === 1;
  });
  expect(reader.waiting[0]?.request.startUs).toBe((NOW - 60_000) * 1_000);
  expect(hasRoom(house)).toBe(false);
  reader.waiting[0]?.answer();
  await until(() => ofType(one, 'data').length === 1);
  await until(() => hasRoom(house));
});

it('after a gap of the feed snapshots are read a few at a time, and none is refused', async () => {
  const { house, reader } = await open(1);
  const tails = Array.from({ length: 20 }, () => house.open(ANN));
  for (const one of tails) {
    const subscribing = subscribe(one, 'a', SNAPSHOT);
    await until(() => reader.waiting.length === 1);
    reader.waiting.pop()?.answer();
    await subscribing;
  }
  // One that takes nothing is left alone until it does.
  const [slow] = tails;
  if (slow === undefined) throw new Error('no tail');
  slow.unsent = Number.POSITIVE_INFINITY;
  await house.feed.append({ kind: 'gap' });
  await until(() => reader.waiting.length === 8);
  let most = 0;
  const answered = () => tails.filter((one) => ofType(one, 'snapshot').length === 2);
  await until(() => {
    most = Math.max(most, reader.waiting.length);
    reader.waiting.shift()?.answer();
    return answered().length === 19;
  });
  expect(most).toBeLessThanOrEqual(8);
  slow.unsent = 0;
  slow.session.drained();
  await until(() => reader.waiting.length === 1);
  reader.waiting.pop()?.answer();
  await until(() => answered().length === 20);
  for (const one of tails) {
    expect(ofType(one, 'subscribed').map(({ recovered }) => recovered)).toEqual([null, false]);
    expect(ofType(one, 'error')).toEqual([]);
  }
});
