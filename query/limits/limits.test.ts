import { describe, expect, it } from 'vitest';
import { readConfig } from '../../lib/config.ts';
import { createMetrics } from '../../lib/metrics.ts';
import type { Claims } from '../../policies/grant.ts';
import { type Amounts, amountsOf } from './amounts.ts';
import { createLimits, type LimitsOptions } from './limits.ts';

const PLENTY = amountsOf(readConfig({}));

/** Limits with a clock that stands still, and what they counted. */
function limitsOf(
  changes: { [K in keyof Amounts]?: Partial<Amounts[K]> },
  options: Partial<LimitsOptions> = {},
) {
  const metrics = createMetrics();
  const time = { nowMs: 0 };
  const amounts: Amounts = {
    subject: { ...PLENTY.subject, ...changes.subject },
    tenant: { ...PLENTY.tenant, ...changes.tenant },
    address: { ...PLENTY.address, ...changes.address },
  };
  const limits = createLimits({ amounts, metrics, clock: () => time.nowMs, ...options });
  return { limits, metrics, time };
}

function caller(tenant: string, sub: string): Claims {
  return { tenant, sub, roles: [], exp: 0 };
}

const ANN = caller('acme', 'ann');
const BOB = caller('acme', 'bob');
const EVE = caller('other', 'ann');

/** The refusal of a call; undefined where it was let in. */
function refusalOf(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (thrown) {
    const { code, details } = thrown as { code: string; details: object };
    return { code, ...details };
  }
}

const tooMany = (limit: string, retry_after_s = 1) => ({
  code: 'too_many_requests',
  limit,
  retry_after_s,
});

describe('requests', () => {
  it('of a subject come as fast as its rate, and at once as many as in a second', () => {
    const { limits, time } = limitsOf({ subject: { requestsPerS: 3 } });
    const ask = () => refusalOf(() => limits.admitRequest(ANN));
    expect([ask(), ask(), ask()]).toEqual([undefined, undefined, undefined]);
    expect(ask()).toEqual(tooMany('subject requests'));
    time.nowMs = 334;
    expect([ask(), ask()]).toEqual([undefined, tooMany('subject requests')]);
  });

  it('of one subject at its limit leave the others of its tenant theirs', () => {
    const { limits } = limitsOf({ subject: { requestsPerS: 3 }, tenant: { requestsPerS: 6 } });
    for (let n = 0; n < 50; n++) refusalOf(() => limits.admitRequest(ANN));
    for (let n = 0; n < 3; n++) expect(refusalOf(() => limits.admitRequest(BOB))).toBeUndefined();
    expect(refusalOf(() => limits.admitRequest(caller('acme', 'carl')))).toEqual(
      tooMany('tenant requests'),
    );
    expect(refusalOf(() => limits.admitRequest(EVE))).toBeUndefined();
  });

  it.each([
    [caller('a', 'b/c'), caller('a/b', 'c')],
    [caller('a', '","b'), caller('a","', 'b')],
    [caller('1', '1'), caller('11', '')],
  ])('of %j are not those of %j', (one, other) => {
    const { limits } = limitsOf({ subject: { requestsPerS: 1, tails: 1 } });
    limits.admitRequest(one);
    limits.admitTail(one);
    expect(refusalOf(() => limits.admitRequest(other))).toBeUndefined();
    expect(refusalOf(() => limits.admitTail(other))).toBeUndefined();
  });

  it('that are refused cost nothing, and Retry-After says when there is room again', () => {
    const { limits, time } = limitsOf({ subject: { requestsPerS: 1 } });
    limits.admitRequest(ANN);
    for (let n = 0; n < 100; n++) {
      expect(refusalOf(() => limits.admitRequest(ANN))).toEqual(tooMany('subject requests'));
    }
    time.nowMs = 1_000;
    expect(refusalOf(() => limits.admitRequest(ANN))).toBeUndefined();
  });

  it('of open tails count as requests', () => {
    const { limits } = limitsOf({ subject: { requestsPerS: 2 } });
    limits.admitRequest(ANN);
    limits.admitFrame(ANN, true);
    for (const asksForMore of [true, false]) {
      const admit = () => limits.admitFrame(ANN, asksForMore);
      expect(refusalOf(admit)).toEqual(tooMany('subject requests'));
    }
  });

  it('in flight have a place each, until they are over', () => {
    const { limits } = limitsOf({ subject: { inFlight: 2 }, tenant: { inFlight: 3 } });
    const first = limits.admitRequest(ANN);
    limits.admitRequest(ANN);
    expect(refusalOf(() => limits.admitRequest(ANN))).toEqual(tooMany('subject in flight'));
    limits.admitRequest(BOB);
    expect(refusalOf(() => limits.admitRequest(BOB))).toEqual(tooMany('tenant in flight'));
    first.release();
    first.release();
    expect(refusalOf(() => limits.admitRequest(BOB))).toBeUndefined();
    expect(refusalOf(() => limits.admitRequest(BOB))).toEqual(tooMany('subject in flight'));
  });

  it('in flight leave no room for readings of open tails, nor the other way round', () => {
    const { limits } = limitsOf({ subject: { inFlight: 1 } });
    const leave = limits.enterReading(ANN);
    for (const ask of [limits.checkReading, limits.admitRequest]) {
      expect(refusalOf(() => ask(ANN))).toEqual(tooMany('subject in flight'));
    }
    leave();
    limits.checkReading(ANN);
    limits.admitRequest(ANN);
    expect(refusalOf(() => limits.checkReading(ANN))).toEqual(tooMany('subject in flight'));
    expect(refusalOf(() => limits.checkReading(BOB))).toBeUndefined();
  });
});

describe('bytes', () => {
  it('are counted once they are sent: a debt refuses what comes next, until it is paid', () => {
    const { limits, time } = limitsOf({ subject: { bytesPerS: 1_000 } });
    const request = limits.admitRequest(ANN);
    request.charge(5_500);
    request.release();
    expect(refusalOf(() => limits.admitRequest(ANN))).toEqual(tooMany('subject bytes', 5));
    expect(refusalOf(() => limits.admitRequest(BOB))).toBeUndefined();
    time.nowMs = 4_499;
    expect(refusalOf(() => limits.admitRequest(ANN))).toEqual(tooMany('subject bytes'));
    time.nowMs = 4_500;
    expect(refusalOf(() => limits.admitRequest(ANN))).toBeUndefined();
  });

  it('of all its subjects are a tenant’s', () => {
    const { limits } = limitsOf({ tenant: { bytesPerS: 1_000 } });
    for (const one of [ANN, BOB]) limits.admitRequest(one).charge(1_000);
    expect(refusalOf(() => limits.admitRequest(ANN))).toEqual(tooMany('tenant bytes'));
    expect(refusalOf(() => limits.admitRequest(EVE))).toBeUndefined();
  });

  it('of open tails refuse what asks for more, and nothing else', () => {
    const { limits, time } = limitsOf({ subject: { bytesPerS: 10_000 } });
    const tail = limits.admitTail(ANN);
    tail.charge(30_000);
    const more = [
      () => limits.admitRequest(ANN),
      () => limits.admitFrame(ANN, true),
      () => limits.checkReading(ANN),
    ];
    for (const ask of more) expect(refusalOf(ask)).toEqual(tooMany('subject bytes', 2));
    expect(refusalOf(() => limits.admitFrame(ANN, false))).toBeUndefined();
    time.nowMs = 2_000;
    for (const ask of more) expect(refusalOf(ask)).toBeUndefined();
  });

  it('of small frames are charged as well, at the latest when their tail ends', () => {
    const { limits } = limitsOf({ subject: { bytesPerS: 10_000 } });
    const tail = limits.admitTail(ANN);
    for (let n = 0; n < 1_000; n++) tail.charge(20);
    expect(refusalOf(() => limits.checkReading(ANN))).toEqual(tooMany('subject bytes', 1));
    tail.release();
    expect(refusalOf(() => limits.checkReading(ANN))).toEqual(tooMany('subject bytes', 1));
    const other = limits.admitTail(BOB);
    other.charge(30);
    other.release();
    expect(refusalOf(() => limits.checkReading(BOB))).toBeUndefined();
  });

  it('of live points make no debt longer than a minute, however long they flow', () => {
    const { limits } = limitsOf({ subject: { bytesPerS: 1_000 } });
    const tail = limits.admitTail(ANN);
    for (let n = 0; n < 1_000; n++) tail.charge(5_000);
    expect(refusalOf(() => limits.checkReading(ANN))).toEqual(tooMany('subject bytes', 64));
  });
});

describe('tails', () => {
  it('of a subject and of a tenant are so many at a time', () => {
    const { limits } = limitsOf({ subject: { tails: 2 }, tenant: { tails: 3 } });
    const [first] = [limits.admitTail(ANN), limits.admitTail(ANN)];
    const full = (limit: string) => ({ code: 'too_many_connections', limit, retry_after_s: 1 });
    expect(refusalOf(() => limits.admitTail(ANN))).toEqual(full('subject tails'));
    expect(refusalOf(() => limits.admitTail(BOB))).toBeUndefined();
    expect(refusalOf(() => limits.admitTail(BOB))).toEqual(full('tenant tails'));
    first?.release();
    first?.release();
    expect(refusalOf(() => limits.admitTail(ANN))).toBeUndefined();
    expect(refusalOf(() => limits.admitTail(ANN))).toEqual(full('subject tails'));
  });
});

describe('an address', () => {
  it('answers for what no verified token stands behind', () => {
    const { limits, time } = limitsOf({ address: { requestsPerS: 2 } });
    const ask = (peer: string) =>
      refusalOf(() => {
        limits.checkAddress(peer);
        limits.chargeAddress(peer);
      });
    expect([ask('192.0.2.1'), ask('192.0.2.1')]).toEqual([undefined, undefined]);
    expect(ask('192.0.2.1')).toEqual(tooMany('address requests'));
    expect(ask('192.0.2.2')).toBeUndefined();
    time.nowMs = 500;
    expect(ask('192.0.2.1')).toBeUndefined();
  });

  it('has so many busy connections', () => {
    const { limits } = limitsOf({ address: { connections: 1 } });
    const leave = limits.enterConnection('192.0.2.1');
    expect(refusalOf(() => limits.enterConnection('192.0.2.1'))).toMatchObject({
      code: 'too_many_connections',
      limit: 'address connections',
    });
    limits.enterConnection('192.0.2.2');
    leave();
    expect(refusalOf(() => limits.enterConnection('192.0.2.1'))).toBeUndefined();
  });
});

it('says how often which limit was reached, and how many callers are remembered', async () => {
  const { limits, metrics } = limitsOf({ subject: { requestsPerS: 1 } }, { keysMax: 100 });
  for (let n = 0; n < 500; n++) limits.admitRequest(caller('acme', `subject ${n}`));
  for (let n = 0; n < 500; n++) limits.chargeAddress(`192.0.2.${n}`);
  refusalOf(() => limits.admitRequest(caller('acme', 'subject 499')));
  const lines = (await metrics.exposition()).split('\n');
  expect(lines).toContain('tailrace_query_limited_total{limit="subject requests"} 1');
  expect(lines).toContain('tailrace_limited_subject_requests_max 100');
  const sizes = lines.filter((line) => /^tailrace_limited_\w+_size /.test(line));
  expect(sizes.map((line) => line.split(' ')[0])).toHaveLength(5);
  for (const line of sizes) expect(Number(line.split(' ')[1]), line).toBeLessThanOrEqual(100);
});
