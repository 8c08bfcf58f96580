// A stream between a device's socket and the embedded broker. It keeps what the broker itself does not: a bound on a
// packet's size, a pause while too much of what the device sent is unsettled, and keepalive that forgives that pause.
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { createPacketScanner, type ScanFault } from './packet-scanner.ts';

export interface DeviceStream extends Duplex {
  readonly socket: Socket;
  /** Reads nothing from the socket until `resumeReading` was called as often as this. */
  pauseReading(): void;
  resumeReading(): void;
  /** Closes when nothing came for one and a half times this long (MQTT 3.1.1 clause 3.1.2.10), pauses excepted. */
  expectTraffic(keepaliveS: number): void;
}

export interface DeviceStreamOptions {
  readonly packetBytesMax: number;
  onFault(fault: ScanFault | 'keepalive'): void;
}

/** How long a closed device may take to read what was written to it. */
const LINGER_MS = 2_000;

/** Flushes what was written, closes, and does not wait for ever for a peer that does not read. */
function closeGently(socket: Socket): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.destroySoon();
}

/** Puts a device stream over an accepted socket. */
export function createDeviceStream(socket: Socket, options: DeviceStreamOptions): DeviceStream {
  const incoming = createPacketScanner(options.packetBytesMax);
  let pauses = 0;
  let keepalive: NodeJS.Timeout | undefined;

  const stream = new Duplex({
    read: () => {
      if (pauses === 0) socket.resume();
    },
    write: (chunk: Buffer, _encoding, done) => {
      socket.write(chunk, done);
    },
    writev: (parts, done) => {
      socket.write(Buffer.concat(parts.map((part) => part.chunk)), done);
    },
    final: (done) => {
      socket.end(done);
    },
    destroy: (error, done) => {
      clearTimeout(keepalive);
      closeGently(socket);
      done(error);
    },
  });

  function fail(fault: ScanFault | 'keepalive'): void {
    options.onFault(fault);
    socket.destroy();
    stream.destroy();
  }

  socket.on('data', (chunk: Buffer) => {
    keepalive?.refresh();
    const fault = incoming.scan(chunk);
    if (fault !== undefined) fail(fault);
    else if (!stream.push(chunk) || pauses > 0) socket.pause();
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.destroy());

  return Object.assign(stream, {
    socket,
    pauseReading() {
      pauses++;
      socket.pause();
    },
    resumeReading() {
      pauses--;
      if (pauses > 0 || stream.destroyed) return;
      keepalive?.refresh();
      socket.resume();
    },
    expectTraffic(keepaliveS: number) {
      clearTimeout(keepalive);
      if (keepaliveS === 0) return;
      keepalive = setTimeout(() => {
        if (pauses > 0) keepalive?.refresh();
        else fail('keepalive');
      }, keepaliveS * 1500);
      keepalive.unref();
    },
  });
}
