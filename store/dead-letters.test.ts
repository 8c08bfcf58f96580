import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';
import { type DeadLetter, insertDeadLetters } from './dead-letters.ts';
import { discardDeadLetters } from './dead-letters-list.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await openTestDatabase();
});

beforeEach(async () => {
  await discardDeadLetters(test.database, {}, 1_000);
});

afterAll(() => test.dispose());

it('keeps dead letters with their bytes, also those that text cannot hold', async () => {
  const { database } = test;
  const letter = {
    receivedUs: 1_700_000_000_123_456,
    tenant: 'acme',
    topic: 't/acme/rig-1/flow',
    code: 'payload_invalid',
    reason: 'not JSON at "x", line 1',
    payload: Uint8Array.from({ length: 256 }, (_, i) => i),
    readings: 1,
  };
  const large = { ...letter, payload: new Uint8Array(5 * 1024 * 1024).fill(7), readings: 3 };
  await insertDeadLetters(database, [
    letter,
    {
      ...letter,
      tenant: null,
      topic: 'a\0b',
      contentType: 'application/json',
      payload: Buffer.alloc(0),
    },
    large,
    large,
  ]);
  await insertDeadLetters(database, []);
  const { rows } = await database.writer.query(
    `select received_at::text, tenant, topic, content_type, code, reason, encode(sha256(payload), 'hex') as digest,
       length(payload) as bytes, readings, outcome from tailrace.dead_letter order by id`,
  );
  expect(rows).toHaveLength(4);
  expect(rows[0]).toEqual({
    received_at: '2023-11-14 22:13:20.123456+00',
    tenant: 'acme',
    topic: letter.topic,
    content_type: null,
    code: letter.code,
    reason: letter.reason,
    digest: '40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880',
    bytes: 256,
    readings: 1,
    outcome: null,
  });
  expect(rows[1]).toMatchObject({
    tenant: null,
    topic: 'a\uFFFDb',
    content_type: 'application/json',
    bytes: 0,
  });
  expect(rows[3]).toMatchObject({ bytes: 5 * 1024 * 1024, readings: 3 });
});

const LETTER: DeadLetter = {
  ...{ receivedUs: 1_700_000_000_000_000, tenant: 'acme', asset: 'rig-1', topic: 't/acme/rig-1/x' },
  ...{ code: 'payload_invalid', reason: 'no', payload: Buffer.from('x'), readings: 1 },
};

it('keeps what it can of letters that no table takes, and holds up nobody for them', async () => {
  const { database } = test;
  const lost: string[] = [];
  const broken = 'a\ud800b\0c';
  await insertDeadLetters(
    database,
    [
      LETTER,
      {
        ...{ ...LETTER, tenant: broken, asset: broken, topic: broken, reason: broken },
        ...{ contentType: broken, userProperties: { [broken]: broken } },
      },
      // Too long for an index: nobody's.
      { ...LETTER, tenant: 'x'.repeat(60_000), topic: `t/${'x'.repeat(60_000)}/y` },
      { ...LETTER, code: 'refused\0' },
      // A time that is none.
      { ...LETTER, receivedUs: 1e19 },
      { ...LETTER, payload: Buffer.alloc(16 * 1024 * 1024, 1) },
      LETTER,
    ],
    ({ code }) => lost.push(code),
  );
  const { rows } = await database.writer.query(
    `select tenant, asset, left(topic, 20) as topic, content_type, properties, length(payload) as bytes
     from tailrace.dead_letter order by id`,
  );
  const clean = 'a\uFFFDb\uFFFDc';
  const plain = { tenant: 'acme', asset: 'rig-1', topic: LETTER.topic, bytes: 1 };
  expect(rows).toHaveLength(6);
  expect(rows).toEqual(
    expect.arrayContaining([
      expect.objectContaining(plain),
      expect.objectContaining({
        ...{ tenant: null, asset: null, topic: clean, content_type: clean },
        properties: { [clean]: clean },
      }),
      expect.objectContaining({ tenant: null, topic: `t/${'x'.repeat(18)}` }),
      expect.objectContaining({ ...plain, bytes: 16 * 1024 * 1024 }),
      expect.objectContaining({ tenant: null, topic: '(not storable)', bytes: 1 }),
    ]),
  );
  // Not even its bytes can be kept: its time is what a chunk is found by.
  expect(lost).toEqual(['letter_unstorable']);
});

it('counts letters by day and bytes as it keeps them', async () => {
  const { database } = test;
  const later = { ...LETTER, receivedUs: LETTER.receivedUs + 86_400_000_000 };
  await insertDeadLetters(database, [LETTER, later, later]);
  await insertDeadLetters(database, [later]);
  const { rows } = await database.writer.query(
    `select letters::int4, bytes = (select sum(size_bytes) from tailrace.dead_letter l
       where (l.received_at at time zone 'utc')::date = day) as same
     from tailrace.dead_letter_day where letters > 0 order by day`,
  );
  expect(rows).toEqual([
    { letters: 1, same: true },
    { letters: 3, same: true },
  ]);
});
