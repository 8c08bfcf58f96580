import { expect, it } from 'vitest';
import { createMetrics } from '../metrics.ts';
import { createPace } from './pace.ts';
import { createWaitingRoom } from './waiting-room.ts';

function open(messagesMax: number) {
  const pace = createPace({ metrics: createMetrics(), what: 'test', messagesMax, bytesMax: 1_000 });
  return { pace, room: createWaitingRoom(pace) };
}

const never = new AbortController().signal;

it('lets in at once where there is room', async () => {
  const { room } = open(1);
  await room.enter(1, never);
});

it('lets in one after the other as room is made', async () => {
  const { pace, room } = open(1);
  const entered: number[] = [];
  pace.begin(1);
  const all = [1, 2, 3].map(async (n) => {
    await room.enter(1, never);
    entered.push(n);
  });
  for (let n = 1; n <= 3; n++) {
    pace.settle(1);
    await new Promise(setImmediate);
    expect(entered).toHaveLength(n);
  }
  await Promise.all(all);
});

it('is left by who gives up', async () => {
  const { pace, room } = open(1);
  pace.begin(1);
  const given = new AbortController();
  const waiting = expect(room.enter(1, given.signal)).rejects.toThrow('enough');
  given.abort(new Error('enough'));
  await waiting;
  pace.settle(1);
  await room.enter(1, never);
});

it('is closed until what closed it is over, however that ends', async () => {
  const { room } = open(10);
  let reopen = () => {};
  let fail = () => {};
  room.closeUntil(new Promise((resolve) => (reopen = resolve)));
  room.closeUntil(new Promise((_resolve, reject) => (fail = () => reject(new Error('ended')))));
  let isIn = false;
  const entered = room.enter(1, never).then(() => (isIn = true));
  reopen();
  await new Promise(setImmediate);
  expect(isIn).toBe(false);
  fail();
  await entered;
});
