import { expect, it } from 'vitest';
import { openTestDatabase } from '../test/database.ts';
import { insertDeadLetters } from './dead-letters.ts';

it('keeps dead letters with their bytes, also those that text cannot hold', async () => {
  const { database, dispose } = await openTestDatabase();
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
  await dispose();
});
