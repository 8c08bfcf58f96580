import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createSession, earliest, type SessionClient, type Waiter } from './session.ts';

/** A client with a list of pieces; each says whether the session is kept after it. */
function client(name: string, pieces: ('keeps' | 'releases')[], ran: string[]): SessionClient {
  return {
    hasWork: () => pieces.length > 0,
    runNext() {
      ran.push(name);
      return pieces.shift()!;
    },
  };
}

async function untilIdle(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn();
}

test('clients take turns, one piece each', async () => {
  const ran: string[] = [];
  const session = createSession(() => 0);
  const a = client('a', ['releases', 'releases', 'releases'], ran);
  const b = client('b', ['releases', 'releases', 'releases'], ran);
  session.wake(a);
  session.wake(b);
  await untilIdle();
  expect(ran.join('')).toBe('ababab');
});

test('a client that keeps the session runs alone until it gives it back', async () => {
  const ran: string[] = [];
  const session = createSession(() => 0);
  const a = client('a', ['keeps', 'keeps'], ran);
  const b = client('b', ['releases'], ran);
  session.wake(a);
  session.wake(b);
  await untilIdle();
  expect(ran.join('')).toBe('aa');
  expect(session.isHolder(a)).toBe(true);
  expect(session.waiting).toBe(1);
  expect(session.idleHolder(7)).toEqual({ client: a, idleMs: 7 });
  (a as { hasWork(): boolean }).hasWork = () => true;
  (a as { runNext(): string }).runNext = () => {
    (a as { hasWork(): boolean }).hasWork = () => false;
    return 'releases';
  };
  session.wake(a);
  await untilIdle();
  expect(ran.join('')).toBe('aab');
  expect(session.waiting).toBe(0);
});

test('a client can be taken out of the queue', async () => {
  const ran: string[] = [];
  const session = createSession(() => 0);
  const a = client('a', ['releases'], ran);
  session.wake(a);
  expect(session.withdraw(a)).toBe(true);
  expect(session.withdraw(a)).toBe(false);
  await untilIdle();
  expect(ran).toEqual([]);
});

test('a client that cannot go on when its turn comes is passed over', async () => {
  const ran: string[] = [];
  const session = createSession(() => 0);
  const first = client('first', ['releases'], ran);
  const stuck = client('stuck', ['releases'], ran);
  session.wake(stuck);
  stuck.hasWork = () => false;
  session.wake(first);
  await untilIdle();
  expect(ran).toEqual(['first']);
  expect(session.waiting).toBe(0);
});

test('short holders go before long ones, but not for ever', () => {
  const waiter = (
    name: string,
    sinceMs: number,
    usualHoldMs: number,
  ): Waiter & { name: string } => ({
    name,
    sinceMs,
    usualHoldMs,
    client: client(name, [], []),
  });
  const writer = waiter('writer', 0, 60);
  expect(earliest([writer, waiter('reader', 100, 2)])).toHaveProperty('name', 'reader');
  expect(earliest([writer, waiter('reader', 240, 2)])).toHaveProperty('name', 'writer');
  expect(earliest([])).toBeUndefined();
});

test('the order of thousands of turns starves nobody', async () => {
  let now = 0;
  const session = createSession(() => now);
  const longest = new Map<string, number>();
  const make = (name: string, holdMs: number): SessionClient => {
    let waitsSince = 0;
    return {
      hasWork: () => true,
      runNext() {
        // In the first second it is not yet known who holds for how long.
        if (now > 1000) longest.set(name, Math.max(longest.get(name) ?? 0, now - waitsSince));
        now += holdMs;
        waitsSince = now;
        return 'releases';
      },
    };
  };
  for (let i = 0; i < 4; i++) session.wake(make(`writer ${i}`, 60));
  for (let i = 0; i < 4; i++) session.wake(make(`reader ${i}`, 2));
  for (let i = 0; i < 5000; i++) await turn();
  session.close();
  expect(longest.size).toBe(8);
  for (const [name, waitMs] of longest) {
    expect(waitMs, name).toBeLessThan(name.startsWith('reader') ? 130 : 600);
  }
});
