// Fair shares through the whole pipeline, on a writer whose commits take as long as real ones do.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics } from '../lib/metrics.ts';
import type { ReadingBatch } from '../store/readings.ts';
import { createReadingsQuota } from './guards/readings-quota.ts';
import { modelTable, NOW_MS, startModel, stopIngesters } from './testing.ts';

afterEach(stopIngesters);

let receivedUs = NOW_MS * 1000;
const messageOf = (topic: string, payload: string, clientId?: string) => ({
  ...{ topic, payload: Buffer.from(payload), receivedUs: receivedUs++, dup: false },
  ...(clientId === undefined ? {} : { publisher: { clientId, tenant: topic.split('/')[1] } }),
});

it("keeps a small tenant's readings at most two transactions behind, however much another sends", async () => {
  const { write } = modelTable();
  const commits: (() => void)[] = [];
  const sizes: number[] = [];
  let nowMs = NOW_MS;
  const { ingester } = startModel({
    writer: {
      write: (batch: ReadingBatch) =>
        new Promise((resolve) => {
          sizes.push(batch.rows);
          commits.push(() => resolve(write(batch)));
        }),
    },
    limits: { rowsMax: 10_000 },
    clock: () => nowMs,
    drainMaxMs: 0,
  });
  const commitNext = async () => {
    while (commits.length === 0) await sleep(1);
    nowMs += 5 + (sizes.at(-1) ?? 0) / 200;
    commits.shift()?.();
    await sleep(0);
  };
  void ingester.handle(messageOf('t/small/a/c', '0'), () => {});
  const hundred = JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ ts: NOW_MS + i, v: i })));
  for (let i = 0; i < 1_000; i++) void ingester.handle(messageOf('t/large/a/c', hundred), () => {});
  for (let round = 0; round < 10; round++) {
    let behind = -1;
    const before = sizes.length;
    void ingester.handle(messageOf('t/small/a/c', `${round}`), () => {
      behind = sizes.length - before;
    });
    while (behind === -1) await commitNext();
    // Its own batch, and one that may have gone while it was acknowledged; one was under way already.
    expect(behind).toBeLessThanOrEqual(2);
  }
  // The large one's batches are cut short meanwhile.
  expect(Math.max(...sizes.slice(1))).toBeLessThan(5_000);
});

it('gives a tenant that is alone whole batches', async () => {
  const { write } = modelTable();
  const sizes: number[] = [];
  const { ingester } = startModel({
    writer: {
      async write(batch) {
        sizes.push(batch.rows);
        return write(batch);
      },
    },
    limits: { rowsMax: 1_000 },
  });
  const hundred = JSON.stringify(Array.from({ length: 100 }, (_, i) => ({ ts: NOW_MS + i, v: i })));
  for (let i = 0; i < 50; i++) void ingester.handle(messageOf('t/a/b/c', hundred), () => {});
  await ingester.stop();
  expect(sizes).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
});

describe('a quota of readings', () => {
  function start() {
    let nowMs = NOW_MS;
    const clock = () => nowMs;
    const quota = createReadingsQuota({ readingsPerS: 10, metrics: createMetrics(), clock });
    const model = startModel({ quota, clock });
    return {
      ...model,
      wait(ms: number) {
        nowMs += ms;
      },
    };
  }

  it('makes dead letters of what comes over it from a broker outside, for that tenant alone', async () => {
    const { ingester, send, wait, letters, readings } = start();
    for (let i = 0; i < 15; i++) send('t/a/b/c', `${i}`);
    for (let i = 0; i < 5; i++) send('t/other/b/c', `${i}`);
    wait(1_000);
    for (let i = 0; i < 5; i++) send('t/a/b/c', `${i}`);
    await ingester.stop();
    expect(new Set(letters.map(({ code, tenant }) => `${tenant} ${code}`))).toEqual(
      new Set(['a quota_exceeded']),
    );
    // Ten at once; one more goes when the account is even, into debt.
    expect(letters).toHaveLength(4);
    expect(await readings()).toMatchObject({ received: 25, inserted: 21, dead_lettered: 4 });
  });

  it('asks a device that can wait to wait, and takes all that it sends', async () => {
    const { ingester, letters, readings } = start();
    const waits = Array.from({ length: 15 }, (_, i) =>
      ingester.handle(messageOf('t/a/b/c', `${i}`, 'rig'), () => {}),
    );
    expect(waits.findIndex((wait) => wait !== undefined)).toBe(11);
    await ingester.stop();
    await Promise.all(waits);
    expect(letters).toEqual([]);
    expect(await readings()).toMatchObject({ inserted: 15, dead_lettered: 0 });
  });

  it('lets a message of many readings through, and then counts it', async () => {
    const { ingester, send, letters } = start();
    send('t/a/b/c', `[${Array.from({ length: 500 }, (_, i) => i)}]`);
    send('t/a/b/c', '1');
    await ingester.stop();
    expect(letters.map(({ code }) => code)).toEqual(['quota_exceeded']);
  });
});
