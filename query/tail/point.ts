// A point on its way to subscribers: made once for all who are sent it, and written once for each protocol.
import { pack } from 'msgpackr';
import type { ReadingsRecord } from '../../lib/feed/feed.ts';

export interface Point {
  readonly seriesId: number;
  /** ms since 1970 UTC, a fraction where finer. */
  readonly t: number;
  readonly value: number | string;
  /** 0 is good. */
  readonly quality: number;
  /** As it stands in frames, once it was written. */
  text: string | undefined;
  bytes: Uint8Array | undefined;
}

/** Makes a point that has not been written yet. */
export function makePoint(
  seriesId: number,
  t: number,
  value: number | string,
  quality: number,
): Point {
  return { seriesId, t, value, quality, text: undefined, bytes: undefined };
}

/** The point in a row of a record. */
export function pointAt(record: ReadingsRecord, row: number): Point {
  const { seriesIds, timesUs, values, qualities } = record;
  const t = (timesUs[row] ?? 0) / 1_000;
  return makePoint(seriesIds[row] ?? -1, t, values[row] ?? 0, qualities[row] ?? 0);
}

/** As JSON: `[seriesId, t, value]`, and the quality where it is not good. */
export function pointText(point: Point): string {
  if (point.text !== undefined) return point.text;
  const { seriesId, t, value, quality } = point;
  // Numbers of the feed are finite: JavaScript writes them as JSON does, and so much sooner than JSON.stringify.
  const written = typeof value === 'string' ? JSON.stringify(value) : `${value}`;
  const rest = quality === 0 ? '' : `,${quality}`;
  point.text = `[${seriesId},${t},${written}${rest}]`;
  return point.text;
}

/** As MessagePack, the same array. */
export function pointBytes(point: Point): Uint8Array {
  if (point.bytes !== undefined) return point.bytes;
  const { seriesId, t, value, quality } = point;
  point.bytes = pack(quality === 0 ? [seriesId, t, value] : [seriesId, t, value, quality]);
  return point.bytes;
}
