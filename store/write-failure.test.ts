import { describe, expect, it } from 'vitest';
import { classifyFailure, nextStep, stateAfter, type WriteFailure } from './write-failure.ts';

const withCode = (code: string) => Object.assign(new Error('failed'), { code });

describe('what a failed write means', () => {
  it.each([
    ['23505', 'conflict'],
    ['57014', 'cancelled'],
    ['ETIMEDOUT', 'unavailable'],
    ['40001', 'transient'],
    ['40P01', 'transient'],
    ['55P03', 'transient'],
    ['08006', 'unavailable'],
    ['57P01', 'unavailable'],
    ['57P03', 'unavailable'],
    ['53300', 'unavailable'],
    ['ECONNREFUSED', 'unavailable'],
    ['ECONNRESET', 'unavailable'],
    ['ENOENT', 'unavailable'],
    ['ERR_STREAM_PREMATURE_CLOSE', 'unavailable'],
    ['53100', 'exhausted'],
    ['53200', 'exhausted'],
    ['25006', 'exhausted'],
    ['22003', 'bad_row'],
    ['22021', 'bad_row'],
    ['23514', 'bad_row'],
    ['42P01', 'unknown'],
    ['XX000', 'unknown'],
  ])('%s is %s', (code, failure) => {
    expect(classifyFailure(withCode(code))).toBe(failure);
  });

  it.each([
    ['Connection terminated unexpectedly', 'unavailable'],
    ['timeout exceeded when trying to connect', 'unavailable'],
    ['Client has encountered a connection error and is not queryable', 'unavailable'],
    ['cannot read properties of undefined', 'unknown'],
  ])('an error without a code, "%s", is %s', (message, failure) => {
    expect(classifyFailure(new Error(message))).toBe(failure);
  });

  it('takes anything that was thrown', () => {
    expect(classifyFailure('no')).toBe('unknown');
  });
});

describe('what is done about it', () => {
  it.each([
    ['conflict', 'copy', 100, 1, { kind: 'again', path: 'staging', afterMs: 0 }],
    ['conflict', 'staging', 100, 2, { kind: 'again', path: 'staging', afterMs: 10 }],
    ['transient', 'copy', 100, 1, { kind: 'again', path: 'copy', afterMs: 10 }],
    ['transient', 'copy', 100, 40, { kind: 'again', path: 'copy', afterMs: 1000 }],
    ['unavailable', 'copy', 100, 1, { kind: 'again', path: 'staging', afterMs: 50 }],
    ['unavailable', 'copy', 1, 99, { kind: 'again', path: 'staging', afterMs: 5000 }],
    ['exhausted', 'copy', 100, 1, { kind: 'again', path: 'staging', afterMs: 1000 }],
    ['bad_row', 'copy', 2, 1, { kind: 'split' }],
    ['bad_row', 'copy', 1, 1, { kind: 'refuse' }],
    ['cancelled', 'copy', 1001, 1, { kind: 'split' }],
    ['cancelled', 'copy', 1000, 1, { kind: 'again', path: 'staging', afterMs: 1000 }],
    ['cancelled', 'staging', 2, 9, { kind: 'again', path: 'staging', afterMs: 30_000 }],
    ['unknown', 'copy', 1, 1, { kind: 'again', path: 'staging', afterMs: 1000 }],
    ['unknown', 'copy', 1, 20, { kind: 'again', path: 'staging', afterMs: 30_000 }],
  ] as const)('%s on %s of %d rows, attempt %d', (failure, path, rows, attempt, step) => {
    expect(nextStep(failure, path, rows, attempt)).toEqual(step);
  });

  it('never gives rows up but one that the database refuses, and never spins', () => {
    const failures: WriteFailure[] = [
      'conflict',
      'transient',
      'unavailable',
      'cancelled',
      'exhausted',
      'unknown',
    ];
    for (const failure of failures) {
      for (let attempt = 1; attempt < 100; attempt++) {
        const step = nextStep(failure, 'staging', 1, attempt);
        expect(step.kind === 'again' && step.afterMs > 0).toBe(true);
      }
    }
  });
});

describe('what the writer says of the same failure, again and again', () => {
  const attemptsUntilSaid = (code: string, attemptMs: number) => {
    const failure = classifyFailure(withCode(code));
    let path: 'copy' | 'staging' = 'copy';
    let sinceMs = 0;
    for (let attempt = 1; attempt < 100; attempt++) {
      sinceMs += attemptMs;
      const state = stateAfter(failure, attempt, sinceMs);
      if (state !== 'writing') return [state, attempt];
      const step = nextStep(failure, path, 1, attempt);
      if (step.kind !== 'again') return [step.kind, attempt];
      path = step.path;
      sinceMs += step.afterMs;
    }
    return ['writing', 100];
  };

  it.each([
    ['23505', 1, ['waiting', 10]],
    ['40001', 1, ['waiting', 10]],
    ['40P01', 1000, ['waiting', 9]],
    ['55P03', 20_000, ['waiting', 1]],
    ['23505', 6000, ['waiting', 2]],
    ['ECONNRESET', 1, ['waiting', 1]],
    ['57014', 30_000, ['paused', 1]],
    ['53100', 1, ['paused', 1]],
    ['25006', 1, ['paused', 1]],
    ['42P01', 1, ['paused', 1]],
    ['22003', 1, ['refuse', 1]],
  ] as const)('%s in attempts of %d ms: %j', (code, attemptMs, said) => {
    expect(attemptsUntilSaid(code, attemptMs)).toEqual(said);
  });
});
