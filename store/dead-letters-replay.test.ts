import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { insertDeadLetters } from './dead-letters.ts';
import { discardDeadLetters, requestAllReplays } from './dead-letters-list.ts';
import { createReplayQueue, type FinishedReplay } from './dead-letters-replay.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await openTestDatabase();
  await test.database.writer.query(
    "alter table tailrace.dead_letter add constraint no_poison check (reason not like 'poison%')",
  );
});
beforeEach(async () => {
  await discardDeadLetters(test.database, {}, 1_000);
});
afterAll(() => test.dispose());

it.each([
  ['NUL', 'not JSON at "\0"', 'not JSON at "\uFFFD"'],
  ['half a character', 'not JSON at "\uD800"', 'not JSON at "\uFFFD"'],
  ['what the table refuses', 'poison', 'The database refused to keep why.'],
])(
  'a reason with %s keeps neither its letter nor others from being finished',
  async (_, reason, kept) => {
    await insertDeadLetters(
      test.database,
      Array.from({ length: 5 }, (__, i) => ({
        ...{ receivedUs: 1_700_000_000_000_000 + i, tenant: 'acme', topic: `t/acme/a/${i}` },
        ...{ code: 'no_rule', reason: 'none', payload: Buffer.from('1'), readings: 1 },
      })),
    );
    await requestAllReplays(test.database, { unsettled: true }, 10);
    const queue = createReplayQueue({ database: test.database, by: 'one' });
    const letters = await queue.claim();
    const outcomes = { inserted: 0, duplicate: 0, corrected: 0, dead_lettered: 1, ignored: 0 };
    await queue.finish(
      letters.map(
        ({ id }, i): FinishedReplay => ({
          ...{ id, outcome: 'dead_lettered', outcomes },
          fault: { code: 'payload_not_json', reason: i === 3 ? reason : 'still' },
        }),
      ),
    );
    const { rows } = await test.database.writer.query(
      'select reason, attempts from tailrace.dead_letter order by id',
    );
    const finished = (text: string) => ({ reason: text, attempts: 1 });
    expect(rows).toEqual(['still', 'still', 'still', kept, 'still'].map(finished));
    expect(await createReplayQueue({ database: test.database, by: 'next' }).claim()).toEqual([]);
  },
);
