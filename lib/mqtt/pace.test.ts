import { describe, expect, it } from 'vitest';
import { createMetrics } from '../metrics.ts';
import { createPace, sharePace } from './pace.ts';

function pace(messagesMax: number, bytesMax: number) {
  const metrics = createMetrics();
  return { metrics, ...bind(createPace({ metrics, what: 'test', messagesMax, bytesMax })) };
}

/** The pace with its getter as a function, so that it can be taken apart. */
function bind(made: ReturnType<typeof createPace>) {
  return { ...made, full: () => made.full };
}

it.each([
  ['messages', 2, 1_000],
  ['bytes', 1_000, 20],
])(
  'is full at its most %s, and lets those who wait go on below it, once',
  (_what, messages, bytes) => {
    const { begin, settle, full, whenRoomy } = pace(messages, bytes);
    const resumed: string[] = [];
    whenRoomy(() => resumed.push('at once'));
    begin(10);
    expect(full()).toBe(false);
    begin(10);
    expect(full()).toBe(true);
    whenRoomy(() => resumed.push('later'));
    expect(resumed).toEqual(['at once']);
    settle(10);
    settle(10);
    expect([resumed, full()]).toEqual([['at once', 'later'], false]);
  },
);

it('is drained when nothing is under way, or gives up waiting', async () => {
  const { begin, settle, drained } = pace(10, 10);
  expect(await drained(0)).toBe(true);
  begin(1);
  expect(await drained(1)).toBe(false);
  const waiting = drained(60_000);
  settle(1);
  expect(await waiting).toBe(true);
});

it('shows what is under way', async () => {
  const { metrics, begin } = pace(10, 100);
  begin(7);
  const text = await metrics.exposition();
  expect(text).toContain('tailrace_test_size 1\n');
  expect(text).toContain('tailrace_test_bytes_size 7\n');
  expect(text).toContain('tailrace_test_bytes_max 100\n');
});

describe('a shared pace', () => {
  const bounds = { messagesMax: 4, bytesMax: 1_000 };
  const share = { messagesMax: 2, bytesMax: 500 };

  it('is full for one sender while another has room, and for all when the whole is', () => {
    const whole = createPace({ metrics: createMetrics(), what: 'x', ...bounds });
    const shares = sharePace(whole, share);
    const begin = (sender: string, bytes = 1) => shares.of(sender).begin(bytes);
    begin('a');
    begin('a');
    expect([shares.of('a').full, shares.of('b').full]).toEqual([true, false]);
    begin('b', 500);
    expect([shares.of('b').full, shares.of('c').full]).toEqual([true, false]);
    begin('c');
    expect(shares.of('d').full).toBe(true);
    const resumed: string[] = [];
    for (const sender of ['a', 'b', 'd']) {
      shares.of(sender).whenRoomy(() => resumed.push(sender));
    }
    expect(resumed).toEqual([]);
    shares.of('b').settle(500);
    expect(resumed).toEqual(['d', 'b']);
    shares.of('a').settle(1);
    expect(resumed).toEqual(['d', 'b', 'a']);
    shares.of('a').settle(1);
    shares.of('c').settle(1);
    expect(whole.full).toBe(false);
  });
});
