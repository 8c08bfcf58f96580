// A candidate is tried in a thread of its own: whatever is wrong with it, this thread goes on, and says what it was.
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { ALLOWED, bundleFiles, fixture, makeBundle, pack } from '../../test/bundles.ts';
import { adoptEvaluator } from '../decide/evaluator.ts';
import { MEMORY_PAGES_MAX } from '../decide/instance.ts';
import { examineCandidate, type RevisionFloor, type TrialOrder } from './candidate.ts';
import { tryCandidate } from './trial.ts';

function orderOf(packed: Uint8Array, change: Partial<TrialOrder> = {}): TrialOrder {
  const limits = { memoryPagesMax: MEMORY_PAGES_MAX, inputs: [], nowMs: 1_700_000_000_000 };
  return { packed, signature: undefined, floor: undefined, ...limits, ...change };
}

/** What this thread has computed so far, in ms: a busy machine keeps it waiting for a core, which is not in it. */
function computedMs(): number {
  const [ns] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return Number(ns) / 1e6;
}

/** Tries it and gives the longest that this thread computed meanwhile without a look at its timers, in ms. */
async function stallOf(work: () => Promise<unknown>): Promise<number> {
  let before = computedMs();
  let longest = 0;
  const look = () => {
    const now = computedMs();
    longest = Math.max(longest, now - before);
    before = now;
  };
  const timer = setInterval(look, 1);
  await work();
  clearInterval(timer);
  look();
  return longest;
}

describe('a good candidate', () => {
  it('comes with an image that this thread decides by, as the other did', async () => {
    const candidate = await tryCandidate(orderOf(makeBundle({ revision: '7', odd: { x: 1 } })));
    expect(candidate).toMatchObject({
      ...{ revision: '7', entrypoints: ['tailrace/decision'], builtins: [], signed: false },
      roots: ['tailrace', 'answer', 'rounds', 'odd'],
      bytes: { wasm: expect.any(Number), data: expect.any(Number) },
      decisions: { count: 75 },
    });
    const evaluate = await adoptEvaluator(candidate.image);
    expect(evaluate({ action: 'range' })).toEqual([{ result: ALLOWED }]);
  });

  it('is verified where there are keys', async () => {
    const keys = fixture('es256.pub.pem').toString();
    const signature = { keys, scope: undefined };
    const { signed, revision } = await tryCandidate(
      orderOf(fixture('es256.tar.gz'), { signature }),
    );
    expect({ signed, revision }).toEqual({ signed: true, revision: '3' });
    await expect(tryCandidate(orderOf(makeBundle(), { signature }))).rejects.toMatchObject({
      code: 'policy_unsigned',
    });
  });

  it('is asked what was really asked, too', async () => {
    const inputs = [{ action: 'range', subject: { roles: ['driller'] } }];
    const { decisions } = await tryCandidate(orderOf(makeBundle(), { inputs }));
    expect(decisions.count).toBe(76);
  });

  it('with data for 10,000 users holds this thread up for less than 10 ms', async () => {
    const users = Array.from({ length: 10_000 }, (_, n) => ({
      ...{ name: `user-${n}`, roles: ['viewer', 'operator'], groups: [`crew-${n % 20}`, 'all'] },
      ...{
        assets: [`rig-${n}`, `rig-${n + 1}`],
        site: `north-${n % 7}`,
        shift: { from: 6, to: 18 },
      },
      mail: `user-${n}@example.org`,
    }));
    const packed = makeBundle({ odd: Object.fromEntries(users.map((user) => [user.name, user])) });
    let result: unknown;
    const stallMs = await stallOf(async () => {
      const { image } = await tryCandidate(orderOf(packed));
      result = (await adoptEvaluator(image))({ action: 'range' });
    });
    expect(result).toEqual([{ result: ALLOWED }]);
    // A slow machine is in this figure too: `npm run bench -- policy` is where it is held to 10 ms.
    expect(stallMs).toBeLessThan(100);
  });
});

it('the same contents under the same revision are taken, however they are packed', async () => {
  const files = bundleFiles({ revision: '5' });
  const { contents, digest } = await tryCandidate(orderOf(pack(files)));
  const floor = { revision: '5', digest, contents };
  const turned = pack(Object.fromEntries(Object.entries(files).reverse()));
  expect(turned).not.toEqual(pack(files));
  expect((await tryCandidate(orderOf(turned, { floor }))).contents).toBe(contents);
});

describe('a candidate is refused', () => {
  const { '.manifest': manifest, ...withoutManifest } = bundleFiles();
  const loop = Buffer.from(
    '0061736d01000000010401600000030201000801000a0901070003400c000b0b',
    'hex',
  );
  const floor: RevisionFloor = { revision: '5', digest: 'another' };
  const answering = (answer: unknown) => makeBundle({ answer });
  type Row = readonly [string, () => Uint8Array, string, RegExp, Partial<TrialOrder>?];
  const ROWS: readonly Row[] = [
    ['noise', () => Buffer.alloc(999, 7), 'policy_bundle_invalid', /no gzip/],
    ['no manifest', () => pack(withoutManifest), 'policy_bundle_invalid', /\.manifest is missing/],
    [
      'roots of others',
      () => makeBundle({ roots: ['answer'] }),
      'policy_roots_invalid',
      /tailrace/,
    ],
    [
      'data beside its roots',
      () => makeBundle({ roots: ['tailrace'], odd: 1 }),
      'policy_roots_invalid',
      /data at answer/,
    ],
    [
      'roots that overlap',
      () => makeBundle({ roots: ['tailrace', 'tailrace/x'] }),
      'policy_roots_invalid',
      /overlap/,
    ],
    [
      'an older revision',
      () => makeBundle({ revision: '4' }),
      'policy_revision_older',
      /4 is older than 5.*newer revision/,
      { floor },
    ],
    [
      'a used revision',
      () => makeBundle({ revision: '5' }),
      'policy_revision_reused',
      /5 was in force with other/,
      { floor },
    ],
    [
      'a commit as revision',
      () => makeBundle({ revision: 'c0ffee' }),
      'policy_revision_unordered',
      /cannot be told/,
      { floor },
    ],
    [
      'no WebAssembly',
      () => makeBundle({ wasm: Buffer.from('rego') }),
      'policy_wasm_invalid',
      /start/,
    ],
    [
      'a foreign module',
      () => makeBundle({ wasm: Buffer.from('0061736d01000000', 'hex') }),
      'policy_wasm_invalid',
      /interface/,
    ],
    [
      'a function that is not there',
      () => fixture('clock.tar.gz'),
      'policy_builtin_missing',
      /time\.now_ns/,
    ],
    [
      'text for yes',
      () => answering({ ...ALLOWED, allow: 'yes' }),
      'policy_answer_invalid',
      /allow is neither/,
    ],
    ['a bare yes', () => answering(true), 'policy_answer_invalid', /no object/],
    [
      'an unknown obligation',
      () => answering({ ...ALLOWED, obligations: { watermark: 1 } }),
      'policy_answer_invalid',
      /watermark is unknown/,
    ],
    [
      'nothing but undefined',
      () => pack({ ...bundleFiles(), 'data.json': '{}' }),
      'policy_answer_invalid',
      /undefined whatever/,
    ],
    ['a slow rule', () => makeBundle({ rounds: 2_500 }), 'policy_slow', /may take 100/],
    [
      'data for more memory than there may be',
      () => makeBundle({ odd: 'x'.repeat(600_000) }),
      'policy_memory',
      /does not fit into 1 MiB/,
      { memoryPagesMax: 16 },
    ],
  ];
  const REFUSED = ROWS.map(([what, packed, code, words, change]) => {
    return { what, packed, code, words, change };
  });
  // In this thread: that another one passes it on is shown by the tests around.
  test.each(REFUSED)('for $what', async ({ packed, code, words, change }) => {
    const message = expect.stringMatching(words);
    const refused = expect.objectContaining({ code, message });
    const examined = examineCandidate(orderOf(packed(), change), () => undefined);
    await expect(examined).rejects.toEqual(refused);
  });

  test.each([
    ['a rule that never ends', () => makeBundle({ rounds: 100_000 }), /deciding series by viewer/],
    ['a module that never starts', () => makeBundle({ wasm: loop }), /starting its policy\.wasm/],
  ])('for %s, and its thread is ended', async (_what, packed, words) => {
    const message = expect.stringMatching(words);
    const refused = expect.objectContaining({ code: 'policy_trial_timeout', message });
    const order = orderOf(packed());
    const stallMs = await stallOf(() =>
      expect(tryCandidate(order, { maxMs: 1_500 })).rejects.toEqual(refused),
    );
    expect(stallMs).toBeLessThan(100);
  });

  it('for 50 MB of data, which take too long or too much, without holding this thread up', async () => {
    const data = `{"odd":[${'1,'.repeat(24_999_999)}1]}`;
    const order = orderOf(pack({ ...bundleFiles(), 'data.json': data }));
    expect(order.packed.length).toBeLessThan(8 << 20);
    const code = expect.stringMatching(/^policy_(memory|trial_timeout)$/);
    const stallMs = await stallOf(() =>
      expect(tryCandidate(order, { maxMs: 2_000 })).rejects.toMatchObject({ code }),
    );
    expect(stallMs).toBeLessThan(100);
  });

  it('where its trial is called off', async () => {
    const order = orderOf(makeBundle({ rounds: 100_000 }));
    const calledOff = tryCandidate(order, { signal: AbortSignal.timeout(10) });
    await expect(calledOff).rejects.toMatchObject({ code: 'policy_trial_ended' });
  });
});
