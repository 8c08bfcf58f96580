// What KEPServerEX's IoT Gateway sends: {"timestamp","values":[{"id","v","q","t"}]}, each id a sub-channel. `q` is true
// or false there, or a quality of OPC DA.
import { KEY_EMPTY } from './faults.ts';
import { type Extent, type Fields, fieldsOf, rolesOf } from './fields.ts';
import type { Fault, ReadContext, ReadingSink } from './sink.ts';
import { pushValue, QUALITY_BAD, qualityOf, timeFault, timeOf } from './values.ts';

/** 0xC0, good, to 0xDB, good though set by hand: OPC DA 3.0, 6.8. */
const OPC_GOOD_MIN = 192;
const OPC_GOOD_MAX = 219;

/** As `qualityOf`, where numbers are those of OPC DA: there 192 is good and 0 is bad. */
function opcQualityOf(given: unknown): number {
  if (given === undefined || given === null || typeof given === 'boolean') return qualityOf(given);
  const code = qualityOf(given);
  if (code === 0) return QUALITY_BAD;
  return code >= OPC_GOOD_MIN && code <= OPC_GOOD_MAX ? 0 : code;
}

/** The items of a list, if it is one of objects alone. */
export function itemsOf(values: unknown): readonly Fields[] | undefined {
  if (!Array.isArray(values)) return undefined;
  const items: Fields[] = [];
  for (const value of values) {
    const item = fieldsOf(value);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

/** Reads one item. A key that it has beside those is a sub-channel of its id. Gives back how many readings it held. */
function pushItem(
  sink: ReadingSink,
  { keys, values }: Fields,
  otherwiseUs: number,
  context: ReadContext,
): number {
  const roles = rolesOf(keys);
  const idAt = keys.indexOf('id');
  const given = idAt === -1 ? '' : values[idAt];
  const id = typeof given === 'string' || typeof given === 'number' ? String(given) : '';
  const timeUs = timeOf(roles.time === -1 ? undefined : values[roles.time], otherwiseUs, context);
  const fault: Fault | undefined = id === '' ? KEY_EMPTY : timeFault(timeUs, context);
  let readings = 0;
  keys.forEach((key, index) => {
    if (index === idAt || index === roles.time || index === roles.quality) return;
    const isValue = index === roles.value;
    const quality = isValue && roles.quality !== -1 ? opcQualityOf(values[roles.quality]) : 0;
    pushValue(sink, isValue ? id : `${id}/${key}`, timeUs, fault, values[index], quality);
    readings++;
  });
  return readings;
}

/** How much items come to. */
export function itemsExtent(items: readonly Fields[]): Extent {
  let readings = 0;
  let repeatedText = 0;
  for (const { keys, values } of items) {
    const { time, quality } = rolesOf(keys);
    const idAt = keys.indexOf('id');
    const id = idAt === -1 ? '' : values[idAt];
    let own = keys.length;
    for (const at of [idAt, time, quality]) if (at !== -1) own--;
    readings += own;
    if (typeof id === 'string' && own > 1) repeatedText += id.length * (own - 1);
  }
  return { readings, repeatedText };
}

/** Reads the items of a payload. `otherwiseUs` is the time of those that say none. */
export function pushItems(
  sink: ReadingSink,
  items: readonly Fields[],
  otherwiseUs: number,
  context: ReadContext,
): number {
  let readings = 0;
  for (const item of items) readings += pushItem(sink, item, otherwiseUs, context);
  return readings;
}
