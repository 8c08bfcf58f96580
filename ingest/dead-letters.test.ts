import { describe, expect, it } from 'vitest';
import { deadLettersOf, withOwners } from './dead-letters.ts';
import { parseRules } from './topics/read-rules.ts';

const { rules } = parseRules(
  `
rules:
  - { topic: plants/heartbeat/secret, drop: true }
  - { topic: 'plants/oslo/{asset}/{channel...}', tenant: acme }
  - { topic: 'sites/{tenant}/{asset}/{channel...}' }
`,
  'rules.yaml',
);

/** Who may see a letter of a topic: tenant, and asset. */
function ownerOf(topic: string): [string | null, string | null | undefined] {
  const message = { topic, payload: Buffer.from('{'), receivedUs: 1, dup: false };
  const draft = { message: 0, code: 'payload_not_json', reason: 'cut off', readings: 1 };
  const [letter] = withOwners(deadLettersOf({ messages: [message] }, [draft]), rules);
  return [letter?.tenant ?? null, letter?.asset];
}

describe('a dead letter is for', () => {
  it.each<[string, string | null, string | null]>([
    // The tenant that a rule names, though another one stands in the topic's second part.
    ['plants/oslo/rig-1/mud/p', 'acme', 'rig-1'],
    // The same where the names that come out cannot all be.
    ['plants/oslo/rig-1/mud//p', 'acme', 'rig-1'],
    ['plants/oslo//mud', 'acme', null],
    ['sites/oslo//mud', 'oslo', null],
    ['sites//rig-1/mud', null, null],
    // No rule of the file.
    ['t/acme/rig-1/mud', 'acme', 'rig-1'],
    ['t/acme/rig-1', 'acme', null],
    ['plants/bergen/rig-1/mud', 'bergen', null],
    ['plants', null, null],
    // One that names nobody.
    ['plants/heartbeat/secret', null, null],
  ])('%s: %s, %s', (topic, tenant, asset) => {
    expect(ownerOf(topic)).toEqual([tenant, asset]);
  });
});
