import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type DeadLetter, insertDeadLetters } from './dead-letters.ts';
import {
  type DeadLetterFilter,
  discardDeadLetters,
  listDeadLetters,
  openDeadLetters,
  replayStates,
  requestAllReplays,
} from './dead-letters-list.ts';
import { createReplayQueue } from './dead-letters-replay.ts';

const T0_US = Date.UTC(2026, 0, 10) * 1_000;

function letter(n: number, of: Partial<DeadLetter> = {}): DeadLetter {
  return {
    ...{ receivedUs: T0_US + n * 1_000_000, tenant: 'acme', topic: `t/acme/rig-1/c${n}` },
    ...{ code: 'payload_not_json', reason: 'It is not.', payload: Buffer.from(`p${n}`) },
    ...{ readings: 1, ...of },
  };
}

let test: TestDatabase;

beforeAll(async () => {
  test = await openTestDatabase();
  await insertDeadLetters(test.database, [
    letter(0, { asset: 'rig-1' }),
    letter(1, { asset: 'rig-2', topic: 't/acme/rig-2/mud/flow', code: 'kind_changed' }),
    letter(2, { tenant: null, topic: 'alone' }),
    letter(3, { tenant: 'zephyr', topic: 't/zephyr/rig-1/x', asset: 'rig-1' }),
    letter(4, { topic: 't/acme/r.g-1+/x', contentType: 'text/csv' }),
    letter(4, { topic: 't/acme', userProperties: { time: '5', __proto__x: 'y' } }),
  ]);
});

afterAll(() => test.dispose());

const ACME = { tenant: { name: 'acme', andNone: false } };

describe('letters are listed, the newest first', () => {
  it.each<[string, DeadLetterFilter, string[]]>([
    [
      'all',
      {},
      [
        't/acme',
        't/acme/r.g-1+/x',
        't/zephyr/rig-1/x',
        'alone',
        't/acme/rig-2/mud/flow',
        't/acme/rig-1/c0',
      ],
    ],
    [
      'of a tenant',
      ACME,
      ['t/acme', 't/acme/r.g-1+/x', 't/acme/rig-2/mud/flow', 't/acme/rig-1/c0'],
    ],
    ['and of none', { tenant: { name: 'zephyr', andNone: true } }, ['t/zephyr/rig-1/x', 'alone']],
    ['of assets', { ...ACME, assets: ['rig-1', 'rig-9'] }, ['t/acme/rig-1/c0']],
    ['of no asset', { ...ACME, assets: [] }, []],
    ['of a code', { code: 'kind_changed' }, ['t/acme/rig-2/mud/flow']],
    ['of a beginning', { topic: 't/acme/rig-' }, ['t/acme/rig-2/mud/flow', 't/acme/rig-1/c0']],
    ['of a filter', { topic: 't/+/rig-1/+' }, ['t/zephyr/rig-1/x', 't/acme/rig-1/c0']],
    [
      'of a filter with its own level',
      { topic: 't/acme/#' },
      ['t/acme', 't/acme/r.g-1+/x', 't/acme/rig-2/mud/flow', 't/acme/rig-1/c0'],
    ],
    ['of a filter that is no pattern', { topic: '+/acme/r.g-1+/#' }, ['t/acme/r.g-1+/x']],
    [
      'since a time',
      { startUs: T0_US + 3_000_000 },
      ['t/acme', 't/acme/r.g-1+/x', 't/zephyr/rig-1/x'],
    ],
    ['before a time', { endUs: T0_US + 1 }, ['t/acme/rig-1/c0']],
    ['not replayed', { replayed: false, code: 'kind_changed' }, ['t/acme/rig-2/mud/flow']],
    ['replayed', { replayed: true }, []],
    ['by id', { ids: [] }, []],
  ])('%s', async (_what, filter, topics) => {
    const { letters, hasMore } = await listDeadLetters(test.database, filter, 100);
    expect(letters.map(({ topic }) => topic)).toEqual(topics);
    expect(hasMore).toBe(false);
  });

  it('page by page, by time and id, however many have one time', async () => {
    const seen: number[] = [];
    let before: DeadLetterFilter['before'];
    for (;;) {
      const { letters, hasMore } = await listDeadLetters(test.database, { before }, 1);
      const last = letters.at(-1)!;
      seen.push(last.id);
      before = { timeUs: last.received_us, id: last.id };
      if (!hasMore) break;
    }
    expect(seen).toEqual([6, 5, 4, 3, 2, 1]);
  });
});

it('gives a page less where its letters are large, and never nothing', async () => {
  const find = { topic: 't/acme/rig-3/' };
  const large = { payload: Buffer.alloc(9_000, 'x'), topic: 't/acme/rig-3/x' };
  await insertDeadLetters(
    test.database,
    [7, 8, 9].map((n) => letter(n, large)),
  );
  const { letters, hasMore } = await listDeadLetters(test.database, find, 3, 10_000);
  expect([letters.map(({ payload }) => payload.length), hasMore]).toEqual([[9_000, 9_000], true]);
  const tiny = await listDeadLetters(test.database, find, 3, 1);
  expect([tiny.letters.length, tiny.hasMore]).toEqual([1, true]);
  const [{ received_us: timeUs = 0, id = 0 } = {}] = letters.slice(-1);
  const rest = await listDeadLetters(test.database, { ...find, before: { timeUs, id } }, 3, 10_000);
  expect([rest.letters.length, rest.hasMore]).toEqual([1, false]);
});

it('has letters replayed that are asked for, once each, and marks what became of them', async () => {
  const { database, dispose } = await openTestDatabase();
  const letters = [0, 1, 2].map((n) => letter(n));
  await insertDeadLetters(database, [
    ...letters,
    letter(3, { contentType: 'text/csv', userProperties: { time: '5' } }),
  ]);
  let requests = 0;
  const store = openDeadLetters(database, () => requests++);
  expect(await store.requestReplay({ ids: [4], tenant: { name: 'zephyr', andNone: true } })).toBe(
    undefined,
  );
  const asked = await store.requestReplay({ ids: [4], ...ACME });
  expect(asked).toMatchObject({ id: 4, replayed_ms: null, payload: Buffer.from('p3') });
  expect(asked?.requested_ms).toBeGreaterThan(0);
  expect(requests).toBe(1);

  const one = createReplayQueue({ database: { ...database, embedded: false }, by: 'one' });
  const other = createReplayQueue({ database: { ...database, embedded: false }, by: 'other' });
  const [claimed] = await one.claim();
  expect(claimed).toEqual({
    id: 4,
    message: {
      ...{ topic: 't/acme/rig-1/c3', payload: Buffer.from('p3'), dup: false },
      ...{ receivedUs: T0_US + 3_000_000, contentType: 'text/csv', userProperties: { time: '5' } },
    },
  });
  expect(await other.claim()).toEqual([]);
  const outcomes = { inserted: 0, duplicate: 0, corrected: 0, dead_lettered: 2, ignored: 1 };
  const fault = { code: 'kind_changed', reason: 'Again.' };
  const failed = { id: 4, outcome: 'dead_lettered', outcomes, fault } as const;
  await other.finish([failed]);
  expect(await replayStates(database, [4])).toMatchObject([{ waiting: true, outcome: null }]);
  await one.finish([failed]);
  expect((await listDeadLetters(database, { replayed: true }, 10)).letters).toMatchObject([
    { id: 4, outcome: 'dead_lettered', outcomes, code: 'kind_changed', readings: 2, attempts: 1 },
  ]);

  expect(await requestAllReplays(database, { unsettled: true }, 2)).toHaveLength(2);
  expect(await requestAllReplays(database, { unsettled: true }, 100)).toHaveLength(2);
  expect(await requestAllReplays(database, { unsettled: true }, 100)).toEqual([]);
  const again = await one.claim();
  expect(again.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  await one.release([2]);
  expect((await other.claim()).map(({ id }) => id)).toEqual([2]);
  // Embedded there is no other: whoever claimed it is dead.
  const alone = createReplayQueue({ database: { ...database, embedded: true }, by: 'new' });
  expect(await alone.claim()).toHaveLength(4);
  await dispose();
});

it('gives a claim that nobody extends to another', async () => {
  const { database, dispose } = await openTestDatabase();
  await insertDeadLetters(database, [letter(0), letter(1)]);
  await requestAllReplays(database, { unsettled: true }, 2);
  const native = { ...database, embedded: false };
  const dead = createReplayQueue({ database: native, by: 'dead', leaseMs: 0, lettersMax: 1 });
  const living = createReplayQueue({ database: native, by: 'living', leaseMs: 60_000 });
  expect((await dead.claim()).map(({ id }) => id)).toEqual([1]);
  await dead.extend([1]);
  expect((await living.claim()).map(({ id }) => id)).toEqual([1, 2]);
  await dispose();
});

it('discards what it is told to, and counts it out', async () => {
  const { database, dispose } = await openTestDatabase();
  await insertDeadLetters(database, [letter(0), letter(1), letter(2, { code: 'no_rule' })]);
  expect(await discardDeadLetters(database, { code: 'no_rule' }, 100)).toMatchObject({
    letters: 1,
  });
  expect(await discardDeadLetters(database, { ids: [1, 77] }, 2)).toMatchObject({ letters: 1 });
  const { rows } = await database.writer.query(
    'select letters::int4, bytes = (select sum(size_bytes) from tailrace.dead_letter) as same from tailrace.dead_letter_day',
  );
  expect(rows).toEqual([{ letters: 1, same: true }]);
  await dispose();
});
