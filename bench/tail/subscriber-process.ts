// Subscribers of the tail cases, a process of its own: thousands of WebSockets on sockets that do no more than count
// frames. A few read theirs, for the time that points took. A client library would be what is measured.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { nowMs } from '../clock.ts';
import { frameOf, upgrade } from '../raw-websocket.ts';
import { createFrameReader } from './frame-reader.ts';
import type { OpenTails, Received, SubscriberAnswer, SubscriberRequest } from './messages.ts';

/** Connections that are being made at one time. */
const CONNECTING_MAX = 50;
const SAMPLED = 10;
const LATENCIES_MAX = 200_000;
/** A pong without payload, masked with zeros. */
const PONG = Buffer.of(0x8a, 0x80, 0, 0, 0, 0);

type Counts = { -readonly [Name in keyof Received]: Received[Name] };

const NONE: Received = {
  ...{
    frames: 0,
    bytes: 0,
    lastAtMs: 0,
    sampledFrames: 0,
    sampledPoints: 0,
    sampledDropped: 0,
    closed: 0,
  },
};

let counts: Counts = { ...NONE };
let latenciesMs: number[] = [];

/** What came to one that reads its frames. */
function sample(payload: Buffer): void {
  const frame = JSON.parse(payload.toString()) as {
    readonly points?: readonly (readonly [number, number, number])[];
    readonly dropped?: number;
  };
  const { points = [], dropped = 0 } = frame;
  counts.sampledFrames += 1;
  counts.sampledPoints += points.length;
  counts.sampledDropped += dropped;
  const point = points[0];
  if (point !== undefined && latenciesMs.length < LATENCIES_MAX) {
    latenciesMs.push(nowMs() - point[1]);
  }
}

/** Hears of each frame behind the first, which has to say that it is subscribed. */
function subscribed(socket: Socket, isSampled: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    let isFirst = true;
    socket.once('close', () => reject(new Error('closed before it was subscribed')));
    const reader = createFrameReader(isSampled, {
      frame(payload) {
        if (!isFirst) {
          counts.frames += 1;
          if (isSampled) sample(payload);
          return;
        }
        isFirst = false;
        if (payload.includes('"subscribed"')) resolve();
        else reject(new Error(payload.toString()));
      },
      ping: () => void socket.write(PONG),
    });
    socket.on('data', (chunk: Buffer) => {
      counts.bytes += chunk.length;
      counts.lastAtMs = nowMs();
      reader.read(chunk);
    });
  });
}

async function openOne(
  { port, token }: OpenTails,
  series: readonly number[],
  as: { isSampled: boolean; isStalled: boolean },
): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  await upgrade(socket, token);
  const ready = subscribed(socket, as.isSampled);
  socket.write(frameOf(JSON.stringify({ type: 'subscribe', id: 's', series })));
  await ready;
  socket.on('close', () => {
    if (!as.isStalled) counts.closed += 1;
  });
  if (as.isStalled) socket.pause();
}

async function openAll(tails: OpenTails): Promise<void> {
  const { sets, stalled } = tails;
  const stallEvery = stalled === 0 ? Number.POSITIVE_INFINITY : Math.floor(sets.length / stalled);
  const sampleEvery = Math.max(1, Math.floor(sets.length / SAMPLED));
  let next = 0;
  const openSome = async (): Promise<void> => {
    while (next < sets.length) {
      const index = next++;
      // The last of each run of them, so that no sampled one is stalled.
      const isStalled = index % stallEvery === stallEvery - 1;
      await openOne(tails, sets[index]!, { isStalled, isSampled: index % sampleEvery === 0 });
    }
  };
  await Promise.all(Array.from({ length: CONNECTING_MAX }, openSome));
}

function say(answer: SubscriberAnswer): void {
  if (process.connected) process.send?.(answer);
}

function fail(cause: unknown): never {
  process.stderr.write(`subscribers: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
  process.exit(1);
}

process.on('message', (request: SubscriberRequest) => {
  const { kind } = request;
  if (kind === 'open') openAll(request.tails).then(() => say({ kind }), fail);
  else if (kind === 'received') say({ kind, received: counts });
  else if (kind === 'latencies') say({ kind, latenciesMs });
  else {
    counts = { ...NONE };
    latenciesMs = [];
    say({ kind });
  }
});
process.once('disconnect', () => process.exit(0));
