// Which decoder reads a payload: what is compressed is inflated; then its content type says, else its topic's rule,
// else it is looked at.
import { isUtf8 } from 'node:buffer';
import type { Format } from '../topics/target.ts';
import { createCborDecoder } from './cbor.ts';
import { inflate, isCompressed } from './compressed.ts';
import { formatOfContentType } from './content-type.ts';
import { decodeCsv, looksLikeCsv } from './csv.ts';
import { EMPTY, JSON_TOO_DEEP, NOT_JSON, NOT_UTF8 } from './faults.ts';
import { decodeJson } from './json.ts';
import { createLineProtocolDecoder } from './line-protocol.ts';
import { looksLikeLines } from './line-scanner.ts';
import { createMessagePackDecoder } from './messagepack.ts';
import { bufferOf } from './numbers.ts';
import { limitLines } from './reading-limit.ts';
import type { DecodeContext, Decoder, Fault, ReadingSink } from './sink.ts';
import { createTextCache } from './text-cache.ts';
import { createZones } from './zone.ts';

/** What of a message says how it is to be read. */
export interface Payload {
  readonly payload: Uint8Array;
  /** MQTT 5 content type, or HTTP's. */
  readonly contentType?: string | undefined;
  /** What the topic's rule says. */
  readonly format?: Format | undefined;
}

/** Reads a payload of any format into `sink`; as a `Decoder` otherwise. */
export type DecodePayload = (
  payload: Payload,
  context: DecodeContext,
  sink: ReadingSink,
) => Fault | undefined;

const JSON_STARTS: ReadonlySet<number> = new Set(Buffer.from(' \t\r\n\ufeff{["-0123456789tfnNI'));

const COMPRESSED_TWICE: Fault = {
  code: 'payload_unreadable',
  reason: 'The payload is compressed twice; once is read.',
};
const UNKNOWN: Fault = {
  code: 'payload_unreadable',
  reason: 'The payload is neither text nor MessagePack nor CBOR.',
};

/** What the decoder of JSON says of what may be of another format. */
const NO_JSON: ReadonlySet<Fault> = new Set([NOT_JSON, NOT_UTF8, JSON_TOO_DEEP]);

/** Whether a payload is text for people; which reason helps them, depends on it. */
function isPlainText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d));
}

/** Whether a payload begins as JSON may: blanks, a byte order mark, or the first character of a value. */
function mayBeJson(payload: Uint8Array): boolean {
  return JSON_STARTS.has(payload[0] as number);
}

type Decoders = Readonly<Record<Format, Decoder>>;

/**
 * Reads a payload of which nothing says what it is: JSON if it is JSON, line protocol or CSV if it is text that begins
 * so, MessagePack if it takes every byte, else CBOR if that does. A bare word is therefore no state, and one that
 * happens to be CBOR is what it is there ("bad" is the text "ad"): who sends words quotes them, or names a format.
 */
function createLookingDecoder({ json, line, csv, msgpack, cbor }: Decoders): Decoder {
  return (payload, context, sink) => {
    if (payload.length === 0) return EMPTY;
    let notJson: Fault = NOT_JSON;
    if (mayBeJson(payload)) {
      const fault = json(payload, context, sink);
      if (fault === undefined || !NO_JSON.has(fault)) return fault;
      if (fault === JSON_TOO_DEEP) notJson = fault;
    }
    if (isUtf8(payload)) {
      const bytes = bufferOf(payload);
      if (looksLikeLines(bytes)) return line(payload, context, sink);
      if (looksLikeCsv(bytes.toString('utf8'))) return csv(payload, context, sink);
    }
    const notMessagePack = msgpack(payload, context, sink);
    if (notMessagePack?.code !== 'payload_unreadable') return notMessagePack;
    const notCbor = cbor(payload, context, sink);
    if (notCbor?.code !== 'payload_unreadable') return notCbor;
    return isPlainText(payload) ? notJson : UNKNOWN;
  };
}

/**
 * Makes a decoder of all formats, for payloads of all tenants. What it remembers of one payload (keys, tags, zones) makes
 * the next one faster and nothing else: it is found by its own text, and who a payload is for is compared each time.
 */
export function createPayloadDecoder(): DecodePayload {
  const readText = createTextCache();
  const zones = createZones();
  const decoders: Decoders = {
    json: decodeJson,
    msgpack: createMessagePackDecoder(readText),
    cbor: createCborDecoder(readText),
    line: limitLines(createLineProtocolDecoder(readText)),
    csv: decodeCsv,
  };
  const looking = createLookingDecoder(decoders);

  return ({ payload, contentType, format }, context, sink) => {
    let plain = payload;
    if (isCompressed(payload)) {
      const inflated = inflate(payload);
      if ('code' in inflated) return inflated;
      if (isCompressed(inflated)) return COMPRESSED_TWICE;
      plain = inflated;
    }
    const named = contentType === undefined ? undefined : formatOfContentType(contentType);
    const chosen = named ?? format;
    const decode = chosen === undefined ? looking : decoders[chosen];
    const zone = context.timeZone === undefined ? undefined : zones.zone(context.timeZone);
    return decode(plain, zone === undefined ? context : { ...context, zone }, sink);
  };
}
