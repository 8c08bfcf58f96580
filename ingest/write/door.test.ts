import { describe, expect, it } from 'vitest';
import { fixedRules, type TopicMatch } from '../topics/rules.ts';
import { createWriteDoor, type OutboundMessage, type WriteOrder } from './door.ts';

const ORDER: WriteOrder = {
  ...{ tenant: 'acme', asset: 'rig', channel: 'mud/p', payload: Buffer.from('1.5') },
  contentType: 'text/plain',
};

function open(match?: (topic: string) => TopicMatch, carries = true, mayLose = false) {
  const published: OutboundMessage[] = [];
  const target = { tenant: 'acme', asset: 'rig', channel: 'renamed', labels: { site: 'north' } };
  const rules = fixedRules({
    match: match ?? (() => ({ kind: 'target', target, rule: 'test' })),
    filters: [],
  });
  const outlet = {
    carriesContentType: async () => carries,
    mayLoseContentType: mayLose,
    publish: async (message: OutboundMessage) => void published.push(message),
  };
  return { published, door: createWriteDoor({ rules, outlet, clock: Date.now }) };
}

describe('the door', () => {
  it('asks about the series that the topic rules make of it, and publishes what came', async () => {
    const { door, published } = open();
    const asked: unknown[] = [];
    const outcome = await door.write(ORDER, (series) => asked.push(series) > 0);
    expect(outcome).toEqual({ kind: 'written', accepted: 1, ignored: 0, faults: [] });
    expect(asked).toEqual([
      { tenant: 'acme', asset: 'rig', channel: 'renamed', labels: { site: 'north' } },
    ]);
    const { tenant, payload, contentType } = ORDER;
    const message = { tenant, topic: 't/acme/rig/mud/p', payload, contentType, readings: 1 };
    expect(published).toEqual([message]);
  });

  it('publishes nothing of what is refused', async () => {
    const { door, published } = open();
    const outcome = await door.write(ORDER, () => false);
    expect(outcome).toMatchObject({ kind: 'refused', series: { channel: 'renamed' } });
    expect(published).toEqual([]);
  });

  it('publishes nothing that no rule takes, or that one drops', async () => {
    const fault = { code: 'no_rule', reason: 'none' };
    const untaken = open(() => ({ kind: 'fault', fault }));
    expect(await untaken.door.write(ORDER, () => true)).toEqual({ kind: 'unreadable', fault });
    const dropped = open(() => ({ kind: 'drop', rule: 'test' }));
    expect(await dropped.door.write(ORDER, () => true)).toMatchObject({ accepted: 0, ignored: 1 });
    expect([...untaken.published, ...dropped.published]).toEqual([]);
  });

  it('reads by no content type that does not arrive with the message', async () => {
    const order = { ...ORDER, contentType: 'application/json', payload: Buffer.from('a,b\n1,2\n') };
    const typed = await open().door.write(order, () => true);
    expect(typed).toMatchObject({ kind: 'unreadable', fault: { code: 'payload_not_json' } });
    const { door, published } = open(undefined, false);
    expect(await door.write(order, () => true)).toMatchObject({ kind: 'written', accepted: 2 });
    expect(published[0]).not.toHaveProperty('contentType');
  });

  it('asks about what is seen without the content type, where it may be lost', async () => {
    // As CBOR one text of 45 bytes, which is the channel's own; by looking a line of measurement `x-mm…`.
    const text = `${'m'.repeat(30)} f=1 1780000000`;
    const payload = Buffer.concat([Buffer.of(0x78, text.length), Buffer.from(text)]);
    const order = { ...ORDER, contentType: 'application/cbor', payload };
    const mayWrite = ({ channel }: { channel: string }) => channel === 'renamed';
    const kept = open();
    expect(await kept.door.write(order, mayWrite)).toMatchObject({ kind: 'written', accepted: 1 });
    const lost = open(undefined, true, true);
    expect(await lost.door.write(order, mayWrite)).toMatchObject({
      kind: 'refused',
      series: { channel: expect.stringMatching(/^renamed\/x.m+\/f$/) as string },
    });
    expect(lost.published).toEqual([]);
    const allowed = await lost.door.write(order, () => true);
    expect(allowed).toMatchObject({ kind: 'written', accepted: 1 });
    expect(lost.published[0]).toMatchObject({ contentType: 'application/cbor' });
  });

  it('writes nothing for another tenant, not even dead letters', async () => {
    const target = { tenant: 'other', asset: 'rig', channel: '', labels: {} };
    const { door, published } = open(() => ({ kind: 'target', target, rule: 'test' }));
    for (const text of ['{"a":null,"b+":1}', '{"a":null}', '{"a":1}', '{']) {
      const outcome = await door.write({ ...ORDER, payload: Buffer.from(text) }, () => true);
      expect(outcome).toMatchObject({ kind: 'refused', series: { tenant: 'other' } });
    }
    expect(published).toEqual([]);
  });
});
