// Influx line protocol, as Telegraf and the clients of InfluxDB write it. A field's sub-channel is measurement/field,
// tags are labels. A line that cannot be read is a fault of its own. Nothing is split and no object made for a line.
import { isUtf8 } from 'node:buffer';
import { EMPTY, NO_READING, NOT_UTF8, REPEATED_TEXT_MAX, TEXT_REPEATED } from './faults.ts';
import { contentStart, createLine, type Line, scanLine } from './line-scanner.ts';
import { createTagReader, ownerOf, type ReadTags, unescapeName } from './line-tags.ts';
import { bufferOf } from './numbers.ts';
import type { Decoder, Fault, ReadContext, ReadingSink } from './sink.ts';
import type { ReadText } from './text-cache.ts';
import { pushKey, timeFault } from './values.ts';

const KEYS_MAX = 16_384;
/** In characters. Longer ones are made anew: a payload could fill the memory with them, and no channel is as long. */
const KEY_TEXT_MAX = 1_024;

/** In bytes. A million readings of shorter measurements repeat no text that matters. */
const SHORT_MEASUREMENT_MAX = 64;

/** Gives the key of a measurement's field, both as the payload writes them. */
type ReadKey = (measurement: string, field: string) => string;

/** Makes a `ReadKey` that remembers up to `keysMax` of them and then starts anew. */
function createKeyReader(keysMax: number = KEYS_MAX): ReadKey {
  const measurements = new Map<string, Map<string, string>>();
  let size = 0;
  return (measurement, field) => {
    let keys = measurements.get(measurement);
    const known = keys?.get(field);
    if (known !== undefined) return known;
    const key = `${unescapeName(measurement)}/${unescapeName(field)}`;
    if (key.length > KEY_TEXT_MAX) return key;
    if (size >= keysMax) {
      measurements.clear();
      keys = undefined;
      size = 0;
    }
    if (keys === undefined) {
      keys = new Map();
      measurements.set(measurement, keys);
    }
    keys.set(field, key);
    size++;
    return key;
  };
}

/** Counts lines up to a place, each byte once. */
function createLineCounter(bytes: Buffer): (place: number) => number {
  let line = 1;
  let counted = 0;
  return (place) => {
    for (;;) {
      const end = bytes.indexOf(0x0a, counted);
      if (end === -1 || end >= place) return line;
      counted = end + 1;
      line++;
    }
  };
}

function lineFault(line: number, reason: string): Fault {
  return { code: 'line_invalid', reason: `Line ${line}: ${reason}.` };
}

function otherOwner(line: number, part: string): Fault {
  return {
    code: 'payload_names_other',
    reason: `Line ${line} names another ${part} than its topic.`,
  };
}

/** Gives the fields of a line to the sink. Their strings were found already. */
function pushFields(
  sink: ReadingSink,
  context: ReadContext,
  line: Line,
  keyOf: (field: number) => string,
): void {
  const timeUs = Number.isNaN(line.timeUs) ? context.defaultTimeUs : line.timeUs;
  const fault = timeFault(timeUs, context);
  for (let field = 0; field < line.fields; field++) {
    const value = line.values[field];
    if (typeof value === 'number' && fault === undefined && Number.isFinite(value)) {
      sink.number(keyOf(field), timeUs, value, 0);
    } else pushKey(sink, keyOf(field), timeUs, fault, value, 0);
  }
}

/** The tenant or asset among the fields of a line that is not the topic's, if one is. */
function otherField(
  bytes: Buffer,
  line: Line,
  context: ReadContext,
  readText: ReadText,
): 'tenant' | 'asset' | undefined {
  for (let field = 0; field < line.fields; field++) {
    const value = line.values[field];
    if (typeof value !== 'string') continue;
    const name = readText(bytes, line.keyStarts[field] as number, line.keyEnds[field] as number);
    if ((name === 'tenant' || name === 'asset') && value !== context[name]) return name;
  }
  return undefined;
}

/** Makes a decoder of line protocol. */
export function createLineProtocolDecoder(readText: ReadText): Decoder {
  const readTags: ReadTags = createTagReader();
  const readKey: ReadKey = createKeyReader();

  function labelsOf(text: string): Readonly<Record<string, string>> {
    const tags = text === '' ? undefined : readTags(text);
    return typeof tags === 'object' ? tags.labels : {};
  }

  return (payload, context, sink) => {
    if (payload.length === 0) return EMPTY;
    if (!isUtf8(payload)) return NOT_UTF8;
    const bytes = bufferOf(payload);
    const lineOf = createLineCounter(bytes);
    const line = createLine();
    let measurement = '';
    let tagText = '';
    let labelled = '';
    let repeatedText = 0;

    /** Takes note of the line's measurement and tags, which are not those of the line before. */
    function openSeries(): Fault | undefined {
      measurement = readText(bytes, line.start, line.measurementEnd);
      const hasTags = line.seriesEnd > line.measurementEnd;
      tagText = hasTags ? bytes.toString('utf8', line.measurementEnd + 1, line.seriesEnd) : '';
      if (!hasTags) return undefined;
      const tags = readTags(tagText);
      if (typeof tags === 'string') return lineFault(lineOf(line.start), tags);
      const other = ownerOf(tags, context);
      return other === undefined ? undefined : otherOwner(lineOf(line.start), other);
    }

    function openLine(isSame: boolean): Fault | undefined {
      if (line.error !== undefined) return lineFault(lineOf(line.start), line.error);
      const fault = isSame ? undefined : openSeries();
      if (fault !== undefined) {
        // A series that is refused is not what the next line is compared with.
        line.seriesEnd = line.start;
        return fault;
      }
      const length = line.measurementEnd - line.start;
      if (length > SHORT_MEASUREMENT_MAX) {
        repeatedText += length * (line.fields - 1);
        if (repeatedText > REPEATED_TEXT_MAX) return TEXT_REPEATED;
      }
      const other = otherField(bytes, line, context, readText);
      return other === undefined ? undefined : otherOwner(lineOf(line.start), other);
    }

    const keyOf = (field: number) => {
      const start = line.keyStarts[field] as number;
      return readKey(measurement, readText(bytes, start, line.keyEnds[field] as number));
    };

    let at = contentStart(bytes, 0);
    if (at === bytes.length) return NO_READING;
    while (at < bytes.length) {
      const fault = openLine(scanLine(bytes, at, line));
      if (fault !== undefined) sink.fault(fault);
      else {
        if (tagText !== labelled) {
          const text = tagText;
          sink.labelled(text, () => labelsOf(text));
          labelled = text;
        }
        pushFields(sink, context, line, keyOf);
      }
      at = contentStart(bytes, line.next);
    }
    return undefined;
  };
}
