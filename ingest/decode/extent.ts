// How much a payload of objects comes to, told before the first of its readings is given to the sink: a value beside
// columns is one in each row, an item's id is one in each of its keys, so that few bytes can be many readings and texts.
import { columnsExtent } from './columnar.ts';
import { READINGS_PER_MESSAGE_MAX, REPEATED_TEXT_MAX, TEXT_REPEATED, TOO_MANY } from './faults.ts';
import { type Extent, type Fields, fieldsOf, isPlainPoint, rolesOf } from './fields.ts';
import { itemsExtent, itemsOf } from './kepserver.ts';
import type { Fault } from './sink.ts';

/** In bytes. r rows under k keys take 2r + 4k at least: smaller payloads are far below all limits. */
const SMALL_BYTES_MAX = 2_048;

/**
 * Whether a payload may be beyond a limit. Without a list inside of something there are no columns and no items, and
 * each reading takes a byte of its own.
 */
export function mayHoldMany(bytes: number, hasInnerLists: boolean): boolean {
  return bytes > READINGS_PER_MESSAGE_MAX || (hasInnerLists && bytes > SMALL_BYTES_MAX);
}

function one(readings: number): Extent {
  return { readings, repeatedText: 0 };
}

/** As `pushObject` reads it. */
function objectExtent(fields: Fields): Extent {
  const { keys, values } = fields;
  if (isPlainPoint(keys) && !Array.isArray(values[0])) return one(1);
  const roles = rolesOf(keys);
  if (roles.time !== -1 && Array.isArray(values[roles.time])) return columnsExtent(fields, roles);
  if (roles.isPoint) return one(1);
  const beside = keys.length - (roles.time === -1 ? 0 : 1);
  if (roles.values === -1) return one(beside);
  const nested = fieldsOf(values[roles.values]);
  if (nested !== undefined) {
    return one(nested.keys.length + beside - (roles.quality === -1 ? 1 : 2));
  }
  const items = itemsOf(values[roles.values]);
  if (items === undefined) return one(beside);
  const { readings, repeatedText } = itemsExtent(items);
  return { readings: readings + beside - 1, repeatedText };
}

/** Why a payload cannot be taken as a whole for all that it holds, if it cannot. */
export function extentFault(payload: unknown): Fault | undefined {
  const elements: readonly unknown[] = Array.isArray(payload) ? payload : [payload];
  let readings = 0;
  let repeatedText = 0;
  for (const element of elements) {
    const fields = fieldsOf(element);
    const extent = fields === undefined ? one(1) : objectExtent(fields);
    readings += extent.readings;
    repeatedText += extent.repeatedText;
  }
  if (readings > READINGS_PER_MESSAGE_MAX) return TOO_MANY;
  return repeatedText > REPEATED_TEXT_MAX ? TEXT_REPEATED : undefined;
}
