// One run of live tails: a server with its subscribers, a load, and what came of it. What is open stays open from round
// to round of the same shape; those of the shape before are closed first, so that no more than one has the machine.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from '../case.ts';
import { nowMs } from '../clock.ts';
import {
  startTailServer,
  startTailSubscribers,
  type TailServer,
  type TailSubscribers,
} from '../services/tail-processes.ts';
import type { Ground } from '../setup.ts';
import { type Load, type Shape, setOf } from './load.ts';
import type { Received, ServerKind, ServerSettings } from './messages.ts';

/** A shape with its share of subscribers that read nothing. */
export interface Crowd {
  readonly shape: Shape;
  /** 0.01 for 1 %. */
  readonly stalledShare: number;
}

export interface TailRound {
  /** Frames and points that reached those who read, for each second that the server's process was busy. */
  readonly framesPerCpuS: number;
  readonly pointsPerCpuS: number;
  /** Frames that reached those who read, by the clock. */
  readonly framesPerS: number;
  /** From publishing to reading, in ms, sampled. */
  readonly latenciesMs: readonly number[];
}

export interface Rounds {
  measure(kind: ServerKind, crowd: Crowd, load: Load): Promise<TailRound>;
  /** Bytes that a server's process grew by for each subscriber that is idle, sockets' memory in the kernel left out. */
  memory(kind: ServerKind, shape: Shape): Promise<number>;
}

interface Open {
  readonly server: TailServer;
  readonly subscribers: TailSubscribers;
  stop(): Promise<void>;
}

/** What has come is asked for so often; it is all when nothing more came for two times. */
const LOOK_EVERY_MS = 50;
const QUIET_LOOKS = 3;
/** A share of the points that a crowd may not have been sent before a round is told of. */
const DROPPED_TOLD = 0.001;

/** Waits until nothing comes any more. */
async function settle(subscribers: TailSubscribers): Promise<Received> {
  let before = await subscribers.received();
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    await sleep(LOOK_EVERY_MS);
    const now = await subscribers.received();
    quiet = now.bytes === before.bytes ? quiet + 1 : 0;
    before = now;
  }
  return before;
}

/** Rounds over a database with so many series. */
export function createRounds(
  { database }: Ground,
  seriesIds: Int32Array,
  { lifecycle, note }: BenchContext,
): Rounds {
  const open = new Map<ServerKind, Open>();
  let crowdOpen = '';

  const settingsOf = (kind: ServerKind, shape: Shape): ServerSettings => ({
    ...{ kind, shape, databaseUrl: database.url, embedded: database.embedded },
    seriesIds: [...seriesIds],
  });

  async function closeAll(): Promise<void> {
    const all = [...open.values()];
    open.clear();
    for (const one of all) await one.stop();
  }
  lifecycle.add({ name: 'tails of the bench', stop: closeAll });

  async function subscribe(server: TailServer, { shape, stalledShare }: Crowd): Promise<Open> {
    const subscribers = startTailSubscribers();
    const sets = Array.from({ length: shape.subscribers }, (_, index) =>
      setOf(shape, index).map((at) => seriesIds[at]!),
    );
    const stalled = Math.round(stalledShare * shape.subscribers);
    const { port, token } = server;
    await subscribers.open({ port, token, sets, stalled });
    const stop = async (): Promise<void> => {
      await subscribers.stop();
      await server.stop();
    };
    return { server, subscribers, stop };
  }

  /** Not driven yet: the harness drops a case's first pair, so that what is measured is not the compiler. */
  async function opened(kind: ServerKind, crowd: Crowd): Promise<Open> {
    const key = JSON.stringify(crowd);
    if (key !== crowdOpen) await closeAll();
    crowdOpen = key;
    const known = open.get(kind);
    if (known !== undefined) return known;
    const server = await startTailServer(settingsOf(kind, crowd.shape));
    const made = await subscribe(server, crowd);
    open.set(kind, made);
    return made;
  }

  return {
    async measure(kind, crowd, load) {
      const { server, subscribers } = await opened(kind, crowd);
      await subscribers.begin();
      const { cpuS: before } = await server.account();
      const beganMs = nowMs();
      await server.load(load);
      const received = await settle(subscribers);
      const cpuS = (await server.account()).cpuS - before;
      const { frames, sampledFrames, sampledPoints, sampledDropped, closed } = received;
      if (closed > 0) note(`  ${kind}: ${closed} subscribers were closed`);
      if (frames === 0 || sampledFrames === 0) throw new Error(`${kind}: nobody received anything`);
      const droppedShare = sampledDropped / (sampledDropped + sampledPoints);
      if (droppedShare > DROPPED_TOLD) {
        note(`  ${kind}: ${(100 * droppedShare).toFixed(1)} % of the points were dropped`);
      }
      return {
        framesPerCpuS: frames / cpuS,
        pointsPerCpuS: (frames * sampledPoints) / sampledFrames / cpuS,
        framesPerS: (1_000 * frames) / (received.lastAtMs - beganMs),
        latenciesMs: await subscribers.latencies(),
      };
    },
    async memory(kind, shape) {
      await closeAll();
      crowdOpen = '';
      const server = await startTailServer(settingsOf(kind, shape));
      // What the first connections bring into memory is no subscriber's: compiled code, and the collector's young space.
      const first = { ...shape, subscribers: Math.round(shape.subscribers / 2) };
      const few = await subscribe(server, { shape: first, stalledShare: 0 });
      const { rssBytes: before } = await server.account(true);
      const all = await subscribe(server, { shape, stalledShare: 0 });
      const { rssBytes: after } = await server.account(true);
      await few.subscribers.stop();
      await all.stop();
      return (after - before) / shape.subscribers;
    },
  };
}
