// What live tails are measured against: a fan-out as one writes it first, and the engine's own `publish` of frames that
// are ready to go. Both read a reading's series and time, and know nothing of rights, positions or slow readers.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { createApp, loadEngine } from '../../query/http/engine.ts';
import { listen } from '../../query/http/listen.ts';
import { nowMs } from '../clock.ts';
import { KINDS, type Shape, seriesOf } from '../tail/load.ts';

export interface FanOut {
  readonly port: number;
  /** Sends a record of a kind to whoever follows a series of it. */
  publish(kind: number): void;
}

const SUBSCRIBED = JSON.stringify({ type: 'subscribed', id: 's' });
const CURSOR = 'AbCdEfGhIjKl.1a2b3';

function readSeries(data: string): number[] {
  return (JSON.parse(data) as { series: number[] }).series;
}

function frameOf(points: readonly (readonly number[])[]): string {
  return JSON.stringify({ type: 'data', id: 's', cursor: CURSOR, points, dropped: 0 });
}

/** `ws`, every socket looked at for every record, JSON made for each. */
export async function startNaive(shape: Shape, seriesIds: readonly number[]): Promise<FanOut> {
  const server = new WebSocketServer({
    ...{ host: '127.0.0.1', port: 0, perMessageDeflate: false },
    handleProtocols: (offered) => [...offered][0] ?? false,
  });
  const subscribers = new Map<WebSocket, Set<number>>();
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('close', () => subscribers.delete(socket));
    socket.on('message', (data) => {
      subscribers.set(socket, new Set(readSeries(String(data))));
      socket.send(SUBSCRIBED);
    });
  });
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    publish(kind) {
      const at = nowMs();
      const points = seriesOf(shape, kind).map((index) => [seriesIds[index]!, at, 1]);
      for (const [socket, series] of subscribers) {
        const own = points.filter(([id]) => series.has(id!));
        if (own.length > 0) socket.send(frameOf(own));
      }
    },
  };
}

/** A frame whose first point's time can be written in place. */
interface ReadyFrame {
  readonly bytes: Buffer;
  readonly timeAt: number;
}

const TIME_DIGITS = 17;

function readyFrame(ids: readonly number[]): ReadyFrame {
  const time = 1_790_000_000_000.125;
  const bytes = Buffer.from(frameOf(ids.map((id) => [id, time, 1])));
  return { bytes, timeAt: bytes.indexOf(String(time)) };
}

/** The same sets are one topic. */
const topicOf = (series: readonly number[]): string => series.join();

/** uWebSockets.js and its `publish`; all that is done for a frame is to write the time into it. */
export async function startPublish(
  shape: Shape,
  seriesIds: readonly number[],
  sets: readonly (readonly number[])[],
): Promise<FanOut> {
  const engine = loadEngine();
  const app = createApp(engine);
  app.ws('/*', {
    ...{ idleTimeout: 60, maxBackpressure: 0, maxPayloadLength: 64 * 1024 },
    message(socket, message) {
      const series = readSeries(Buffer.from(message).toString());
      socket.subscribe(topicOf(series));
      socket.send(SUBSCRIBED);
    },
  });
  const { port } = await listen(engine, app, {
    ...{ host: '127.0.0.1', port: 0, portName: 'the port' },
  });
  const topics = new Map(sets.map((series) => [topicOf(series), new Set(series)]));
  const ready = Array.from({ length: KINDS }, (_, kind) => {
    const ids = seriesOf(shape, kind).map((index) => seriesIds[index]!);
    return [...topics].flatMap(([topic, series]) => {
      const own = ids.filter((id) => series.has(id));
      return own.length === 0 ? [] : [{ topic, ...readyFrame(own) }];
    });
  });
  return {
    port,
    publish(kind) {
      const time = nowMs().toFixed(3).padEnd(TIME_DIGITS, '0');
      for (const { topic, bytes, timeAt } of ready[kind]!) {
        bytes.write(time, timeAt, 'latin1');
        app.publish(topic, bytes);
      }
    },
  };
}
