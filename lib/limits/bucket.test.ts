import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterTaking, type Rate, tokensAt, waitMs } from './bucket.ts';

const rates = fc.record({
  perS: fc.integer({ min: 1, max: 1_000_000 }),
  burst: fc.integer({ min: 1, max: 1_000_000 }),
});
/** Requests: how long after the one before, and how many tokens each asks for. */
const asked = fc.array(
  fc.record({ afterMs: fc.double({ min: 0, max: 5_000, noNaN: true }), tokens: fc.nat(1_000) }),
  { maxLength: 60 },
);

/** What was let through, and when. */
function run(
  rate: Rate,
  requests: readonly { afterMs: number; tokens: number }[],
  startMs: number,
) {
  const taken: { atMs: number; tokens: number }[] = [];
  let fullAtMs = 0;
  let nowMs = startMs;
  for (const { afterMs, tokens } of requests) {
    nowMs += afterMs;
    if (tokens > rate.burst || waitMs(fullAtMs, rate, tokens, nowMs) > 0) continue;
    fullAtMs = afterTaking(fullAtMs, rate, tokens, nowMs);
    taken.push({ atMs: nowMs, tokens });
  }
  return taken;
}

/** The same as everybody describes it: a number of tokens that grows and is capped. */
function simulate(
  { perS, burst }: Rate,
  requests: readonly { afterMs: number; tokens: number }[],
): boolean[] {
  let tokens = burst;
  return requests.map((request) => {
    tokens = Math.min(burst, tokens + (request.afterMs / 1_000) * perS);
    if (tokens < request.tokens) return false;
    tokens -= request.tokens;
    return true;
  });
}

describe('a token bucket', () => {
  it('never lets more through than its burst and what its rate gives, in whatever window', () => {
    fc.assert(
      fc.property(rates, asked, fc.nat(1e9), (rate, requests, startMs) => {
        const taken = run(rate, requests, startMs);
        for (const [first, from] of taken.entries()) {
          let sum = 0;
          for (const { atMs, tokens } of taken.slice(first)) {
            sum += tokens;
            const most = rate.burst + (rate.perS * (atMs - from.atMs)) / 1_000;
            expect(sum).toBeLessThanOrEqual(most * (1 + 1e-9) + rate.perS * 1e-6);
          }
        }
      }),
    );
  });

  it('refuses nothing that a counted bucket would let through', () => {
    fc.assert(
      fc.property(rates, asked, (rate, requests) => {
        // Whole milliseconds: what is let through at the very edge is not a question of rounding then.
        const whole = requests.map((one) => ({ ...one, afterMs: Math.ceil(one.afterMs) }));
        const edges = whole.filter((one) => one.tokens > 0);
        const through = simulate(rate, edges).filter(Boolean).length;
        expect(run(rate, edges, 0).length).toBe(through);
      }),
    );
  });

  it('has the tokens once it was waited for', () => {
    fc.assert(
      fc.property(rates, asked, fc.nat(1_000), (rate, requests, tokens) => {
        fc.pre(tokens <= rate.burst);
        const nowMs = 1e6;
        const fullAtMs = requests.reduce((at, one) => afterTaking(at, rate, one.tokens, nowMs), 0);
        const wait = waitMs(fullAtMs, rate, tokens, nowMs);
        expect(waitMs(fullAtMs, rate, tokens, nowMs + wait + 1e-6)).toBe(0);
        expect(tokensAt(fullAtMs, rate, nowMs + wait)).toBeGreaterThanOrEqual(
          tokens - rate.perS * 1e-6 - 1e-6,
        );
        if (wait > 1) expect(waitMs(fullAtMs, rate, tokens, nowMs + wait - 1)).toBeGreaterThan(0);
      }),
    );
  });

  it('goes into debt by what is taken without being there, and is out of it when that came in', () => {
    const rate = { perS: 100, burst: 100 };
    const fullAtMs = afterTaking(0, rate, 350, 0);
    expect(tokensAt(fullAtMs, rate, 0)).toBe(-250);
    expect(waitMs(fullAtMs, rate, 0, 0)).toBe(2_500);
    expect(waitMs(fullAtMs, rate, 0, 2_500)).toBe(0);
    expect(waitMs(fullAtMs, rate, 1, 2_500)).toBe(10);
  });

  it('asked for more than it holds gives what it holds when it is full', () => {
    const rate = { perS: 1, burst: 2 };
    expect(waitMs(0, rate, 5, 1_000)).toBe(0);
    expect(waitMs(afterTaking(0, rate, 1, 1_000), rate, 5, 1_000)).toBe(1_000);
  });
});
