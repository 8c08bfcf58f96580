import { expect, it } from 'vitest';
import { FLUSH_LIMITS, isDue, isFull, isWindow } from './flush-rule.ts';

const { rowsMax, bytesMax, ageMaxMs } = FLUSH_LIMITS;

it.each([
  [{ rows: rowsMax - 1, bytes: bytesMax - 1 }, false],
  [{ rows: rowsMax, bytes: 0 }, true],
  [{ rows: 0, bytes: bytesMax }, true],
])('a batch of %o is full: %s', (batch, full) => {
  expect(isFull(batch, FLUSH_LIMITS)).toBe(full);
});

it.each([
  ['young, and more keeps coming', { ageMs: 0, arrivals: 2, arrivalsBefore: 1 }, false],
  ['young, and nothing more has come', { ageMs: 0, arrivals: 2, arrivalsBefore: 2 }, true],
  ['old, and more keeps coming', { ageMs: ageMaxMs, arrivals: 2, arrivalsBefore: 1 }, true],
])('a batch that is %s is due: %s', (_what, batch, due) => {
  expect(isDue(batch, FLUSH_LIMITS)).toBe(due);
});

it.each([
  [1, [0, 0], false],
  [1, [1, 0], false],
  [1, [1, 1], true],
  [19, [20, 20], false],
  [20, [20, 20], true],
  [25, [20, 20], true],
  [20, [20, 19], false],
])('%i messages after batches of %j are a window: %s', (messages, lastSizes, window) => {
  expect(isWindow(messages, lastSizes as [number, number])).toBe(window);
});
