import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { holdAcks } from './held-acks.ts';

/** A socket that keeps what is written to it. */
function fakeSocket() {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  return { socket, written: () => Buffer.concat(written) };
}

const puback = (messageId: number) => [0x40, 2, messageId >> 8, messageId & 255];
const PINGREQ = [0xc0, 0];
/** A PUBLISH with a body of 200 bytes that looks like PUBACKs. */
const LONG_PUBLISH = [0x30, 0xc8, 1, ...Array.from({ length: 50 }, () => puback(7)).flat()];

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('writes what MQTT.js writes but for its PUBACKs, wherever the chunks are cut', async () => {
  const packet = fc.oneof(
    fc.constant(PINGREQ),
    fc.constant(LONG_PUBLISH),
    fc.nat(65_535).map(puback),
    // MQTT 5 with a reason code.
    fc.nat(255).map((id) => [0x40, 4, 0, id, 16, 0]),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(packet, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      async (packets, cuts) => {
        const { socket, written } = fakeSocket();
        const { stream } = holdAcks(socket);
        const bytes = Buffer.from(packets.flat());
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const end = at + (cuts[i % cuts.length] as number);
          stream.write(bytes.subarray(at, end));
          at = end;
        }
        await turn();
        expect([...written()]).toEqual(packets.filter(([type]) => type !== 0x40).flat());
      },
    ),
  );
});

it('releases acknowledgements in receipt order, each when all before it are given', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(65_535), { maxLength: 50 }).chain((ids) =>
        fc.record({
          ids: fc.constant(ids),
          order: fc.shuffledSubarray(
            ids.map((_, i) => i),
            { maxLength: ids.length },
          ),
        }),
      ),
      async ({ ids, order }) => {
        const { socket, written } = fakeSocket();
        const held = holdAcks(socket);
        const messages = ids.map((id) => held.hold(id));
        for (const index of order) {
          held.release(messages[index] as number);
          await Promise.resolve();
        }
        await turn();
        const done = new Set(order);
        const firstOpen = ids.findIndex((_, i) => !done.has(i));
        const released = firstOpen === -1 ? ids : ids.slice(0, firstOpen);
        expect([...written()]).toEqual(released.flatMap(puback));
        expect(held.heldCount()).toBe(ids.length - released.length);
      },
    ),
  );
});

it('releases nothing after the connection has closed', async () => {
  const { socket, written } = fakeSocket();
  const held = holdAcks(socket);
  const message = held.hold(1);
  socket.destroy();
  await turn();
  held.release(message);
  await turn();
  expect([written().length, held.heldCount()]).toEqual([0, 0]);
});

it('passes on what the broker sends, and counts it', async () => {
  const { socket } = fakeSocket();
  const held = holdAcks(socket);
  socket.push(Buffer.from([0xd0, 0]));
  socket.push(null);
  const chunks: Buffer[] = [];
  for await (const chunk of held.stream) chunks.push(chunk as Buffer);
  expect([...Buffer.concat(chunks)]).toEqual([0xd0, 0]);
  expect(held.bytesReceived()).toBe(2);
});
