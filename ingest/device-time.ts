// The device's own time beside the payload: an MQTT 5 user property, as store-and-forward gateways add it.
import { TIME_KEYS } from './decode/keys.ts';
import { isTimeInRange, parseTimeUs } from './decode/time.ts';
import type { Fault } from './fault.ts';

const INVALID: Fault = {
  code: 'time_invalid',
  reason: 'The time among the user properties is neither RFC 3339 with an offset nor a number.',
};
const OUT_OF_RANGE: Fault = {
  code: 'time_out_of_range',
  reason: 'The time among the user properties is before 1990-01-01 or more than a day ahead.',
};

/** The time of readings that carry none, µs since 1970: what the properties say, else that of receipt. */
export function deviceTime(
  properties: Readonly<Record<string, string>> | undefined,
  receivedUs: number,
): number | Fault {
  if (properties === undefined) return receivedUs;
  const key = TIME_KEYS.find((name) => Object.hasOwn(properties, name));
  if (key === undefined) return receivedUs;
  const timeUs = parseTimeUs(properties[key]);
  if (Number.isNaN(timeUs)) return INVALID;
  return isTimeInRange(timeUs, receivedUs) ? timeUs : OUT_OF_RANGE;
}
