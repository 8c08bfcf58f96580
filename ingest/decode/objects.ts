// What JSON, MessagePack and CBOR have in common, told apart by looking: a scalar; {ts, value}; {ts, values: {…}}; a
// flat object, each key a sub-channel; columns; KEPServer's lists of items; an array of these.
import { pushColumns } from './columnar.ts';
import { extentFault } from './extent.ts';
import { NO_READING, namesOther } from './faults.ts';
import { type Fields, fieldsOf, isPlainPoint, type Roles, rolesOf } from './fields.ts';
import { itemsOf, pushItems } from './kepserver.ts';
import type { Fault, ReadContext, ReadingSink } from './sink.ts';
import { pushKey, pushValue, qualityOf, timeFault, timeOf } from './values.ts';

/** What is wrong with an object that names a tenant or an asset, if something is. */
function nameFault({ values }: Fields, roles: Roles, context: ReadContext): Fault | undefined {
  for (const part of ['tenant', 'asset'] as const) {
    const named = roles[part] === -1 ? undefined : values[roles[part]];
    if (typeof named === 'string' && named !== context[part]) return namesOther(part);
  }
  return undefined;
}

/** Reads the keys that have no meaning of their own as sub-channels. `except` are the places of those that do. */
function pushSubchannels(
  sink: ReadingSink,
  { keys, values }: Fields,
  timeUs: number,
  fault: Fault | undefined,
  except: readonly number[],
): number {
  let readings = 0;
  for (let index = 0; index < keys.length; index++) {
    if (except.includes(index)) continue;
    pushKey(sink, keys[index] as string, timeUs, fault, values[index], 0);
    readings++;
  }
  return readings;
}

/** Reads an object. Gives back how many readings it held or tried to. */
function pushObject(sink: ReadingSink, fields: Fields, context: ReadContext): number {
  const { keys, values } = fields;
  if (isPlainPoint(keys) && !Array.isArray(values[0])) {
    const timeUs = timeOf(values[0], context.defaultTimeUs, context);
    pushValue(sink, '', timeUs, timeFault(timeUs, context), values[1], 0);
    return 1;
  }
  const roles = rolesOf(keys);
  const named = nameFault(fields, roles, context);
  if (named !== undefined) {
    sink.fault(named);
    return 1;
  }
  const time = roles.time === -1 ? undefined : values[roles.time];
  if (Array.isArray(time)) return pushColumns(sink, fields, roles, context);
  const timeUs = timeOf(time, context.defaultTimeUs, context);
  const fault = timeFault(timeUs, context);
  const given = roles.quality === -1 ? undefined : values[roles.quality];
  if (roles.isPoint) {
    pushValue(sink, '', timeUs, fault, values[roles.value], qualityOf(given));
    return 1;
  }
  const { values: nestedAt } = roles;
  if (nestedAt === -1) return pushSubchannels(sink, fields, timeUs, fault, [roles.time]);
  const nested = fieldsOf(values[nestedAt]);
  if (nested !== undefined) {
    const quality = qualityOf(given);
    for (let index = 0; index < nested.keys.length; index++) {
      const key = nested.keys[index] as string;
      pushKey(sink, key, timeUs, fault, nested.values[index], quality);
    }
    // What stands beside them is a sub-channel too.
    const except = [nestedAt, roles.time, roles.quality];
    return nested.keys.length + pushSubchannels(sink, fields, timeUs, fault, except);
  }
  const items = itemsOf(values[nestedAt]);
  if (items === undefined) return pushSubchannels(sink, fields, timeUs, fault, [roles.time]);
  return (
    pushItems(sink, items, timeUs, context) +
    pushSubchannels(sink, fields, timeUs, fault, [nestedAt, roles.time])
  );
}

/** Reads one element: the payload itself, or a member of the list that it is. */
function pushElement(sink: ReadingSink, element: unknown, context: ReadContext): number {
  const fields = fieldsOf(element);
  if (fields !== undefined) return pushObject(sink, fields, context);
  pushValue(sink, '', context.defaultTimeUs, undefined, element, 0);
  return 1;
}

/**
 * Reads what a payload became: objects as `Fields` or as JSON has them, lists, scalars, and binary as Uint8Array. `isMany`
 * is whether it may be beyond a limit (`mayHoldMany`).
 */
export function pushPayload(
  payload: unknown,
  isMany: boolean,
  context: ReadContext,
  sink: ReadingSink,
): Fault | undefined {
  const tooMuch = isMany ? extentFault(payload) : undefined;
  if (tooMuch !== undefined) return tooMuch;
  if (!Array.isArray(payload)) {
    return pushElement(sink, payload, context) === 0 ? NO_READING : undefined;
  }
  let readings = 0;
  for (const element of payload) readings += pushElement(sink, element, context);
  return readings === 0 ? NO_READING : undefined;
}
