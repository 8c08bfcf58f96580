import { describe, expect, it } from 'vitest';
import { finishedReplay } from './replay.ts';

describe('the outcome of a message', () => {
  const none = { inserted: 0, duplicate: 0, corrected: 0, deadLettered: 0, ignored: 0, faults: [] };
  it.each([
    [{ inserted: 5, deadLettered: 1 }, 'dead_lettered'],
    [{ inserted: 1, corrected: 5, duplicate: 5, ignored: 5 }, 'inserted'],
    [{ corrected: 1, duplicate: 5, ignored: 5 }, 'corrected'],
    [{ duplicate: 1, ignored: 5 }, 'duplicate'],
    [{ ignored: 1 }, 'ignored'],
    [{}, 'ignored'],
  ])('%j is %s', (counts, outcome) => {
    expect(finishedReplay(1, { ...none, ...counts })).toMatchObject({ id: 1, outcome });
  });
});
