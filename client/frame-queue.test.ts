import { describe, expect, it } from 'vitest';
import { type Arrived, createFrameQueue } from './frame-queue.ts';

const arrived = (expires_at: number): Arrived => ({
  ...{ frame: { type: 'reauthed', expires_at }, cursor: undefined, size: 10 },
});

describe('a queue of frames', () => {
  it('is full from its maximum on until all is taken, and says so once', async () => {
    let emptied = 0;
    const queue = createFrameQueue(25, () => {
      emptied += 1;
    });
    for (const i of [1, 2]) queue.put(arrived(i));
    expect(queue.isFull).toBe(false);
    queue.put(arrived(3));
    expect(queue.isFull).toBe(true);
    for (const i of [1, 2, 3]) {
      expect((await queue.take())?.frame).toMatchObject({ expires_at: i });
      expect([queue.isFull, emptied]).toEqual([true, 0]);
    }
    const next = queue.take();
    expect([queue.isFull, emptied]).toEqual([false, 1]);
    queue.put(arrived(4));
    expect((await next)?.frame).toMatchObject({ expires_at: 4 });
  });

  it('hands on what waits before its end, and takes nothing more', async () => {
    const queue = createFrameQueue(25, () => undefined);
    queue.put(arrived(1));
    queue.end(new Error('over'));
    queue.put(arrived(2));
    expect((await queue.take())?.frame).toMatchObject({ expires_at: 1 });
    await expect(queue.take()).rejects.toThrow('over');
  });

  it('wakes a reader that waits when it ends', async () => {
    const queue = createFrameQueue(25, () => undefined);
    const next = queue.take();
    queue.end();
    expect(await next).toBeUndefined();
  });
});
