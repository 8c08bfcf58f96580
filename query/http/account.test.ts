import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { Claims, Grant } from '../../policies/grant.ts';
import { decisionHeaders, logRequest, openAccount } from './account.ts';

const claims = { sub: 'ann', tenant: 'acme', roles: [], exp: 1, email: 'x' } satisfies Claims;
const grant = { allow: true, decisionId: 'd-1' } as Grant;
const OUTCOME = {
  method: 'GET',
  route: '/v1/range',
  status: 200,
  durationMs: 1.23456,
  traceparent: 't',
};

function linesAt(level: string, write: (log: pino.Logger) => void): unknown[] {
  const lines: unknown[] = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  write(pino({ level, base: null, timestamp: false }, stream));
  return lines;
}

it.each([
  ['an answer', { ...OUTCOME }, grant, 'debug'],
  ['a 404', { ...OUTCOME, status: 404 }, grant, 'debug'],
  ['a denial', { ...OUTCOME, status: 403 }, { ...grant, allow: false }, 'info'],
  ['a failure', { ...OUTCOME, status: 500 }, grant, 'info'],
  ['a failure before the decision', { ...OUTCOME, status: 503 }, undefined, 'info'],
])('%s has one line', (_, outcome, decided, level) => {
  const account = { ...openAccount(), claims, grant: decided };
  const [line, ...others] = linesAt('trace', (log) => logRequest(log, account, outcome));
  expect(others).toEqual([]);
  expect(line).toEqual({
    ...{ level: pino.levels.values[level], msg: 'request', method: 'GET', route: '/v1/range' },
    ...{ status: outcome.status, ms: 1.235, traceparent: 't', subject: 'ann', tenant: 'acme' },
    ...(decided === undefined ? {} : { decision: 'd-1', allowed: decided.allow }),
  });
  const atInfo = linesAt('info', (log) => logRequest(log, account, outcome));
  expect(atInfo).toHaveLength(level === 'info' ? 1 : 0);
});

it('names the decision in a header once there is one', () => {
  expect(decisionHeaders(openAccount())).toEqual({});
  expect(decisionHeaders({ ...openAccount(), grant })).toEqual({ 'Tailrace-Decision': 'd-1' });
});
