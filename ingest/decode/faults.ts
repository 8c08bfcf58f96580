// What can be wrong with a payload or a reading in any format: codes for programs, reasons for people.
import type { Fault } from '../fault.ts';

export const TEXT_LENGTH_MAX = 65_536;
export const QUALITY_MIN = -32_768;
export const QUALITY_MAX = 32_767;
/** More readings in one message than this are a mistake of the device, or of its units. */
export const READINGS_PER_MESSAGE_MAX = 1_000_000;

/** In characters: what readings have in common with others stands once in the payload, but in each of them. */
export const REPEATED_TEXT_MAX = 16 * 1024 * 1024;

export const EMPTY: Fault = { code: 'payload_empty', reason: 'The payload is empty.' };
export const NOT_UTF8: Fault = { code: 'payload_not_utf8', reason: 'The payload is not UTF-8.' };
export const NOT_JSON: Fault = { code: 'payload_not_json', reason: 'The payload is not JSON.' };
export const JSON_TOO_DEEP: Fault = {
  code: 'payload_unreadable',
  reason: 'The payload is no readable JSON: it is nested too deep.',
};
export const NO_READING: Fault = {
  code: 'no_reading',
  reason: 'The payload holds no reading.',
};
export const TOO_MANY: Fault = {
  code: 'too_many_readings',
  reason: `The payload holds more than ${READINGS_PER_MESSAGE_MAX} readings.`,
};
export const TEXT_REPEATED: Fault = {
  code: 'payload_too_large',
  reason: `The texts that the payload's readings share come to more than ${REPEATED_TEXT_MAX} characters.`,
};
export const TIME_INVALID: Fault = {
  code: 'time_invalid',
  reason:
    'The time is neither RFC 3339 nor a number; without an offset it also needs a time zone in the topic rule, in which it comes exactly once.',
};
export const TIME_OUT_OF_RANGE: Fault = {
  code: 'time_out_of_range',
  reason: 'The time is before 1990-01-01 or more than a day ahead.',
};
export const NOT_FINITE: Fault = {
  code: 'value_not_finite',
  reason: 'The value is infinite, or too large for a 64-bit float.',
};
export const NESTED: Fault = {
  code: 'value_nested',
  reason: 'A value is an object or a list; only flat payloads are read.',
};
export const BINARY: Fault = {
  code: 'value_binary',
  reason: 'A value is binary; only numbers, texts and booleans are kept.',
};
export const TEXT_UNSTORABLE: Fault = {
  code: 'value_text_invalid',
  reason: 'The text holds a NUL or half a surrogate pair.',
};
export const TEXT_TOO_LONG: Fault = {
  code: 'value_too_long',
  reason: `The text is longer than ${TEXT_LENGTH_MAX} characters.`,
};
export const KEY_EMPTY: Fault = { code: 'key_empty', reason: 'A key of the payload is empty.' };
export const QUALITY_INVALID: Fault = {
  code: 'quality_invalid',
  reason: `The quality is neither a boolean nor an integer from ${QUALITY_MIN} to ${QUALITY_MAX}.`,
};
export const COLUMN_LENGTH: Fault = {
  code: 'column_length',
  reason: 'A column is not as long as the column of times.',
};

/** A tenant or an asset that is not the topic's. */
export function namesOther(part: string): Fault {
  return {
    code: 'payload_names_other',
    reason: `The payload names another ${part} than its topic.`,
  };
}
