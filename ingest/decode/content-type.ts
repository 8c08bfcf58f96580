// Formats by media type (RFC 9110, 8.3), as MQTT 5 and HTTP name it.
import type { Format } from '../topics/target.ts';

const FORMATS: ReadonlyMap<string, Format> = new Map([
  ['application/json', 'json'],
  ['text/json', 'json'],
  ['application/msgpack', 'msgpack'],
  ['application/x-msgpack', 'msgpack'],
  ['application/vnd.msgpack', 'msgpack'],
  ['application/messagepack', 'msgpack'],
  ['application/cbor', 'cbor'],
  ['text/csv', 'csv'],
  ['application/csv', 'csv'],
  ['text/x-influx-line-protocol', 'line'],
  ['application/x-influxdb-line-protocol', 'line'],
  ['application/vnd.influx.line-protocol', 'line'],
  ['application/vnd.influxdata.line-protocol', 'line'],
]);

/**
 * The format that a content type names, whatever its capitals and parameters; undefined where it says nothing. Line
 * protocol has no type of its own: its clients send text/plain, which is looked at.
 */
export function formatOfContentType(contentType: string): Format | undefined {
  const end = contentType.indexOf(';');
  const type = (end === -1 ? contentType : contentType.slice(0, end)).trim().toLowerCase();
  const known = FORMATS.get(type);
  if (known !== undefined) return known;
  if (type.endsWith('+json')) return 'json';
  if (type.endsWith('+cbor')) return 'cbor';
  return type.endsWith('+msgpack') ? 'msgpack' : undefined;
}
