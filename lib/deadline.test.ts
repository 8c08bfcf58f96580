import { expect, it } from 'vitest';
import { within } from './deadline.ts';

it('gives up on who does not answer, and says so once', async () => {
  let late = 0;
  const never = new Promise<void>(() => undefined);
  await expect(within(never, 5, () => (late += 1))).rejects.toMatchObject({ code: 'no_answer' });
  expect(late).toBe(1);
});

it('takes the answer that has come in while the process was busy', async () => {
  // In the turn after the timers', as what a socket brings.
  const come = new Promise<string>((resolve) => setImmediate(() => resolve('here')));
  const answer = within(come, 5);
  const busyUntilMs = performance.now() + 20;
  while (performance.now() < busyUntilMs);
  expect(await answer).toBe('here');
});
