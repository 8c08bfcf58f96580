import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../lib/metrics.ts';
import { createReadQueue, type ReadQueueOptions } from './queue.ts';

/** A queue on a clock that the test moves, and works that end when the test says so. */
function setUp(options: Partial<ReadQueueOptions> = {}) {
  let nowMs = 0;
  const metrics = createMetrics();
  const queue = createReadQueue({ concurrency: 2, metrics, clock: () => nowMs, ...options });
  const begun: string[] = [];
  const running: { name: string; end: (cause?: Error) => void }[] = [];
  const outcomes: unknown[] = [];
  function ask(subject: string, signal?: AbortSignal, name = subject): void {
    const work = () =>
      new Promise<string>((resolve, reject) => {
        begun.push(name);
        running.push({
          name,
          end: (cause) => (cause === undefined ? resolve(name) : reject(cause)),
        });
      });
    queue.run(subject, signal, work).then(
      (value) => outcomes.push(value),
      (cause: unknown) => outcomes.push(cause),
    );
  }
  /** Lets everything that can go on do so. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    ...{ metrics, begun, running, outcomes, ask, settle },
    pass(ms: number) {
      nowMs += ms;
    },
    async endFirst(cause?: Error) {
      running.shift()?.end(cause);
      await settle();
    },
  };
}

const GONE = new Error('gone');

describe('ranges that wait to be read', () => {
  it('begin at once while there is room, and then in their turn', async () => {
    const { ask, begun, endFirst, settle } = setUp({ concurrency: 2 });
    for (const subject of ['a', 'b', 'c']) ask(subject);
    await settle();
    expect(begun).toEqual(['a', 'b']);
    await endFirst();
    expect(begun).toEqual(['a', 'b', 'c']);
  });

  it('leave a place to others, however much one subject asks for', async () => {
    const { ask, begun, settle } = setUp({ concurrency: 4 });
    for (let i = 0; i < 10; i += 1) ask('heavy');
    ask('light');
    await settle();
    expect(begun).toEqual(['heavy', 'heavy', 'heavy', 'light']);
  });

  it('go by who has had the least of the time', async () => {
    const { ask, begun, endFirst, pass, settle } = setUp({ concurrency: 1 });
    for (let i = 0; i < 3; i += 1) ask('heavy');
    for (let i = 0; i < 3; i += 1) ask('light');
    await settle();
    pass(100);
    await endFirst();
    for (let i = 0; i < 3; i += 1) {
      pass(10);
      await endFirst();
    }
    expect(begun).toEqual(['heavy', 'light', 'light', 'light', 'heavy']);
  });

  it('are as many as may be of one subject, and then 429 with a time to come back', async () => {
    const { ask, outcomes, settle, pass, endFirst } = setUp({
      concurrency: 1,
      subjectWaitingMax: 3,
    });
    ask('a');
    await settle();
    pass(40_000);
    await endFirst();
    for (let i = 0; i < 5; i += 1) ask('a');
    await settle();
    expect(outcomes).toEqual([
      'a',
      expect.objectContaining({ code: 'too_many_requests', details: { retry_after_s: 12 } }),
    ]);
    ask('b');
    await settle();
    expect(outcomes).toHaveLength(2);
  });

  it('are as many as may be of all, and then 503', async () => {
    const { ask, outcomes, settle, metrics } = setUp({ concurrency: 1, waitingMax: 4 });
    for (let i = 0; i < 6; i += 1) ask(`subject ${i}`);
    await settle();
    expect(outcomes).toEqual([
      expect.objectContaining({ code: 'overloaded', details: { retry_after_s: 1 } }),
    ]);
    const exposition = await metrics.exposition();
    expect(exposition).toContain('tailrace_range_queue_size 4');
    expect(exposition).toContain('tailrace_range_queue_max 4');
  });

  it('leave the line with whoever asked', async () => {
    const { ask, outcomes, begun, endFirst, settle } = setUp({ concurrency: 1 });
    const leave = new AbortController();
    ask('a');
    ask('b', leave.signal);
    ask('c');
    await settle();
    leave.abort(GONE);
    await settle();
    expect(outcomes).toEqual([GONE]);
    await endFirst();
    expect(begun).toEqual(['a', 'c']);
  });

  it('give their place back where they fail', async () => {
    const { ask, outcomes, endFirst, settle } = setUp({ concurrency: 1 });
    ask('a');
    ask('a');
    await settle();
    await endFirst(GONE);
    await endFirst();
    expect(outcomes).toEqual([GONE, 'a']);
  });

  it('are each run once or refused, never more at once than may be, whatever comes', async () => {
    const event = fc.record({
      kind: fc.constantFrom('ask', 'ask', 'end', 'leave'),
      subject: fc.constantFrom('a', 'b', 'c'),
      ms: fc.nat(50),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), run),
      { numRuns: 100 },
    );
  });

  it('of a light subject do not wait for a heavy one for long', async () => {
    const { ask, begun, endFirst, pass, settle } = setUp({ concurrency: 4 });
    for (let i = 0; i < 200; i += 1) ask('heavy');
    await settle();
    const waits: number[] = [];
    for (let i = 0; i < 40; i += 1) {
      const before = begun.length;
      ask('light');
      await settle();
      // How many readings of the heavy one end before it is its turn.
      let ended = 0;
      while (!begun.slice(before).includes('light')) {
        pass(50);
        ended += 1;
        await endFirst();
      }
      waits.push(ended);
      pass(50);
      await endFirst();
    }
    expect(Math.max(...waits)).toBeLessThanOrEqual(1);
  });
});

interface Event {
  readonly kind: string;
  readonly subject: string;
  readonly ms: number;
}

async function run(events: readonly Event[], concurrency: number): Promise<void> {
  const test = setUp({ concurrency, waitingMax: 8, subjectWaitingMax: 4 });
  const leavers: AbortController[] = [];
  let asked = 0;
  for (const { kind, subject, ms } of events) {
    test.pass(ms);
    if (kind === 'ask') {
      const leaver = new AbortController();
      leavers.push(leaver);
      test.ask(subject, leaver.signal);
      asked += 1;
      await test.settle();
    } else if (kind === 'end') await test.endFirst();
    else leavers[ms % (leavers.length + 1)]?.abort(GONE);
    await test.settle();
    expect(test.running.length).toBeLessThanOrEqual(concurrency);
  }
  while (test.running.length > 0) await test.endFirst();
  expect(test.outcomes).toHaveLength(asked);
  expect(await test.metrics.exposition()).toContain('tailrace_range_queue_size 0');
}
