// What goes over a tail in either direction, as data.
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { encodeCursor } from '../../lib/feed/feed.ts';
import type { Series } from '../../store/series.ts';
import { type Choice, chooseBy } from '../choice.ts';
import type { Point } from './point.ts';
import type { Batch } from './waiting.ts';

/** Contract: more is an `error` frame. */
export const FRAME_MAX_BYTES = 64 * 1024;
export const SUBSCRIPTIONS_MAX = 100;
const ID_MAX_CHARACTERS = 128;
export const HZ_MAX = 1_000;

export interface SubscribeFrame {
  readonly type: 'subscribe';
  readonly id: string;
  readonly choice: Choice;
  readonly since: string | undefined;
  /** Range parameters, as in a URL. */
  readonly snapshot: URLSearchParams | undefined;
  readonly maxHz: number | undefined;
}

export type ClientFrame =
  | SubscribeFrame
  | { readonly type: 'unsubscribe'; readonly id: string }
  | { readonly type: 'reauth'; readonly token: string };

/** Frames to the client; a snapshot's body is written by whoever encodes it. */
export type ServerFrame = Readonly<Record<string, unknown>> & { readonly type: string };

/** A frame of points, which are written as arrays. */
export interface DataFrame extends ServerFrame {
  readonly type: 'data';
  readonly id: string;
  readonly cursor: string;
  readonly points: readonly Point[];
  readonly dropped: number;
}

export function isDataFrame(frame: ServerFrame): frame is DataFrame {
  return frame.type === 'data';
}

function badFrame(detail: string): TailraceError {
  return new TailraceError('bad_frame', detail);
}

function textOf(frame: Record<string, unknown>, name: string): string | undefined {
  const value = frame[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw badFrame(`${name} has to be a text`);
  return value;
}

/** Range parameters given as an object; lists are repeated parameters. */
function snapshotOf(value: unknown): URLSearchParams | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw badFrame('snapshot has to be an object of range parameters');
  }
  const parameters = new URLSearchParams();
  for (const [name, given] of Object.entries(value)) {
    for (const one of Array.isArray(given) ? given : [given]) {
      if (typeof one !== 'string' && typeof one !== 'number') {
        throw badFrame(`snapshot.${name} has to be a text or a number`);
      }
      parameters.append(name, String(one));
    }
  }
  return parameters;
}

function maxHzOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && value > 0 && value <= HZ_MAX) return value;
  throw badFrame(`max_hz has to be a number above 0 and up to ${HZ_MAX}`);
}

function namesOf(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value : [value];
  return list.map((name) => {
    if (typeof name === 'string' || typeof name === 'number') return String(name);
    throw badFrame('series has to be a list of names or ids');
  });
}

/** Whether a frame, good or bad, is no request to be sent less or to go on as before. */
export function asksForMore(frame: unknown): boolean {
  if (typeof frame !== 'object' || frame === null || !('type' in frame)) return true;
  return frame.type !== 'unsubscribe' && frame.type !== 'reauth';
}

/** The subscription that a frame is about, where it says so. */
export function idOf(frame: unknown): string | undefined {
  if (typeof frame !== 'object' || frame === null || !('id' in frame)) return undefined;
  return typeof frame.id === 'string' ? frame.id : undefined;
}

function readId(frame: Record<string, unknown>): string {
  const id = textOf(frame, 'id') ?? '';
  if (id !== '' && id.length <= ID_MAX_CHARACTERS) return id;
  throw badFrame(`id has to be a text of up to ${ID_MAX_CHARACTERS} characters`);
}

/**
 * Reads a client's frame.
 *
 * @throws TailraceError `bad_frame`, or what a range's parameters throw.
 */
export function readClientFrame(value: unknown): ClientFrame {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badFrame('a frame has to be an object with a type');
  }
  const frame = value as Record<string, unknown>;
  switch (frame.type) {
    case 'subscribe':
      return {
        type: 'subscribe',
        id: readId(frame),
        choice: chooseBy(namesOf(frame.series), textOf(frame, 'match')),
        since: textOf(frame, 'since'),
        snapshot: snapshotOf(frame.snapshot),
        maxHz: maxHzOf(frame.max_hz),
      };
    case 'unsubscribe':
      return { type: 'unsubscribe', id: readId(frame) };
    case 'reauth':
      return { type: 'reauth', token: textOf(frame, 'token') ?? '' };
    default:
      throw badFrame('type has to be subscribe, unsubscribe or reauth');
  }
}

/** A series as `subscribed` and `series` frames show it. */
export function seriesOfFrame({ id, asset, channel, labels, unit, kind }: Series) {
  return { id, asset, channel, labels, unit, kind };
}

/** An error as a frame; what is our own fault says no more than that. */
export function errorFrame(thrown: unknown, id: string | undefined): ServerFrame {
  const known = thrown instanceof TailraceError;
  return {
    type: 'error',
    ...(id === undefined ? {} : { id }),
    code: known ? thrown.code : 'internal_error',
    detail: known ? messageOf(thrown) : 'The server failed; its log says why.',
    ...(known ? thrown.details : {}),
  };
}

/** A frame of points. */
export function dataFrame({
  id,
  cursor,
  points,
  dropped,
}: Pick<DataFrame, 'id' | 'cursor' | 'points' | 'dropped'>): DataFrame {
  return { type: 'data', id, cursor, points, dropped };
}

/** A batch of an outbox as a frame. */
export function batchFrame(id: string, batch: Batch): ServerFrame {
  const { kind, position, dropped } = batch;
  const cursor = encodeCursor(position);
  if (kind === 'data') return dataFrame({ id, cursor, points: batch.points, dropped });
  const { stepMs, buckets } = batch;
  return { type: 'summary', id, cursor, step_ms: stepMs, buckets, dropped };
}
