// Whatever fails in a round, nothing is thrown out of a timer: that would end the process.
import { afterEach, expect, it, vi } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createRounds } from './rounds.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('a tick that fails is logged, and ticks go on', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let ticks = 0;
  const rounds = createRounds({
    source: {
      location: 'nowhere',
      look: async () => ({ kind: 'unchanged' }),
      pauseMs: () => 10_000,
      watch: () => () => undefined,
    },
    log: createLog('silent'),
    look: async () => undefined,
    tick() {
      ticks += 1;
      throw new Error('no policy is in force yet');
    },
  });
  rounds.start();
  expect(() => vi.advanceTimersByTime(3_000)).not.toThrow();
  expect(ticks).toBe(3);
  await rounds.stop();
});
