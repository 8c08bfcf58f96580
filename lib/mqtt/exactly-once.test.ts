import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from '../../test/program.ts';
import { connectRawDevice, publishPacket, pubrel } from '../../test/raw-device.ts';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import { startEmbeddedBroker } from './embedded-broker.ts';
import { createExactlyOnce } from './exactly-once.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A broker whose handler keeps what it gets; `acknowledge` lets all of it go on. */
async function start() {
  const handled: string[] = [];
  const open: (() => void)[] = [];
  const broker = await startEmbeddedBroker({
    ...{ host: '127.0.0.1', port: 0, drainMaxMs: 200, clock: Date.now },
    ...{ metrics: createMetrics(), log: createLog('silent') },
    authenticate: async () => ({ tenant: 'acme' }),
    authorizePublish: () => true,
    authorizeSubscribe: () => true,
    authorizeForward: () => true,
    handler: ({ payload }, acknowledge) => {
      handled.push(Buffer.from(payload).toString());
      open.push(acknowledge);
      return undefined;
    },
  });
  cleanups.push(() => broker.stop());
  const acknowledge = () => {
    for (const goOn of open.splice(0)) goOn();
  };
  return { port: broker.port, handled, acknowledge };
}

async function connect(port: number, clean = true) {
  const device = await connectRawDevice(port, clean);
  cleanups.push(async () => device.destroy());
  const receives = (hex: string) =>
    eventually(
      async () => device.received(),
      (all) => all === hex,
    );
  return { ...device, receives };
}

const message = (payload: string, dup = false) =>
  publishPacket({ topic: 't/acme/rig/x', payload, qos: 2, messageId: 31, dup });
const PUBREC = '5002001f';
const PUBCOMP = '7002001f';

describe('a message at QoS 2', () => {
  it('is handled once, however often it comes before it is released', async () => {
    const { port, handled, acknowledge } = await start();
    const device = await connect(port);
    device.write(message('1'));
    await eventually(async () => handled.length, Boolean);
    device.write(message('1', true));
    // An answer to a ping: what came before it was read.
    device.write(Buffer.from([0xc0, 0]));
    await device.receives('d000');
    acknowledge();
    await device.receives(`d000${PUBREC}${PUBREC}`);
    device.write(message('1', true));
    await device.receives(`d000${PUBREC.repeat(3)}`);
    device.write(pubrel(31));
    await device.receives(`d000${PUBREC.repeat(3)}${PUBCOMP}`);
    expect(handled).toEqual(['1']);
    device.write(message('2'));
    await eventually(
      async () => handled.length,
      (count) => count === 2,
    );
    expect(handled).toEqual(['1', '2']);
  });

  it.each([
    ['is the same after a reconnection', false, ['1']],
    ['is another after a clean session', true, ['1', '1']],
  ])('%s', async (_, clean, expected) => {
    const { port, handled, acknowledge } = await start();
    const first = await connect(port, clean);
    first.write(message('1'));
    await eventually(async () => handled.length, Boolean);
    first.destroy();
    await first.closed;
    const second = await connect(port, clean);
    second.write(message('1', true), Buffer.from([0xc0, 0]));
    await second.receives('d000');
    acknowledge();
    await second.receives(`d000${PUBREC}`);
    second.write(pubrel(31));
    await second.receives(`d000${PUBREC}${PUBCOMP}`);
    expect(handled).toEqual(expected);
  });

  it('ends its repetitions with the session', () => {
    const once = createExactlyOnce(createMetrics());
    const client = { id: 'a', closed: false };
    const ends: (string | undefined)[] = [];
    once.open(client, 1, () => {});
    once.open(client, 1, (ended) => ends.push(ended?.message));
    once.forget('a');
    expect(ends).toEqual(['the session has ended']);
    expect(once.take(client, 1)).toBe(false);
  });

  it('is refused beyond what may be open', () => {
    const once = createExactlyOnce(createMetrics(), 2);
    const client = { id: 'a', closed: false };
    const open = (id: number) => once.open(client, id, () => {});
    expect([open(1), open(2), open(3), open(2)]).toEqual(['new', 'new', 'full', 'repeated']);
    expect([once.release(client, 1), once.take(client, 1)]).toEqual([false, true]);
    expect([once.release(client, 1), open(3)]).toEqual([true, 'new']);
    once.clean({ id: 'a', closed: false });
    expect([open(4), open(5), open(6)]).toEqual(['new', 'new', 'full']);
    once.clean({ id: 'a', closed: true });
    expect(open(6)).toBe('full');
    once.clean({ ...client });
    expect(open(6)).toBe('new');
  });
});
