// Whatever is asked of two servers that share their tickets, and whichever of them is asked: the answers are those of one
// server that is alone.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startRedis, type TestRedis } from '../../test/redis.ts';
import { openTicketServers, type TicketServer } from '../../test/ticket-servers.ts';

type Step =
  | { readonly kind: 'issue'; readonly at: 0 | 1; readonly subject: 'ann' | 'bob' }
  | { readonly kind: 'socket'; readonly at: 0 | 1; readonly ticket: number }
  | { readonly kind: 'stream'; readonly at: 0 | 1; readonly ticket: number; readonly to: string }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'revoke' };

const at = fc.constantFrom<0 | 1>(0, 1);
const ticket = fc.nat(5);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ kind: fc.constant('issue' as const), at },
      subject: fc.constantFrom('ann' as const, 'bob' as const),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('socket' as const), at, ticket }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...{ kind: fc.constant('stream' as const), at, ticket },
      to: fc.constantFrom('x', 'y'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('wait' as const),
      ms: fc.constantFrom(1, 14_999, 15_000, 29_999, 30_000, 45_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const) }) },
);

let redis: TestRedis;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Who was let in, or that nobody was. Why not may differ: who has forgotten a revoked ticket knows it no more. */
const answerOf = (work: Promise<string>) => work.catch(() => 'refused');

async function play(steps: readonly Step[]): Promise<void> {
  const servers = await openTicketServers();
  const alone = await servers.start();
  const shared = [await servers.start(redis.url), await servers.start(redis.url)] as const;
  const tokens = { ann: await servers.token('ann', { ttlS: 60 }), bob: await servers.token('bob') };
  const tickets: (readonly [ofAlone: string, ofShared: string])[] = [];

  async function compare(
    one: Extract<Step, { kind: 'socket' | 'stream' }>,
    open: (server: TicketServer, id: string) => Promise<string>,
  ): Promise<void> {
    const [ofAlone, ofShared] = tickets.at(-1 - one.ticket) ?? ['', ''];
    const expected = await answerOf(open(alone, ofAlone));
    expect(await answerOf(open(shared[one.at], ofShared))).toBe(expected);
  }

  try {
    for (const one of steps) {
      if (one.kind === 'wait') servers.time.nowMs += one.ms;
      else if (one.kind === 'revoke') {
        const revokedAtMs = servers.time.nowMs;
        for (const { revocations } of [alone, ...shared]) {
          revocations.add({ tenant: 'acme', subject: 'bob', revokedAtMs });
        }
      } else if (one.kind === 'issue') {
        const issue = (server: TicketServer) => answerOf(server.issue(tokens[one.subject]));
        const both = [await issue(alone), await issue(shared[one.at])] as const;
        expect(both[1] === 'refused').toBe(both[0] === 'refused');
        tickets.push(both);
      } else if (one.kind === 'socket') await compare(one, (server, id) => server.openSocket(id));
      else await compare(one, (server, id) => server.openStream(id, one.to));
    }
  } finally {
    await servers.stop();
  }
}

it('two servers answer as one', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), play), {
    numRuns: 60,
  });
});
