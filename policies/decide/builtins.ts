// Rego's functions that OPA does not compile into WebAssembly and that rules may call all the same. There is none that
// looks at a clock, a network or a file: a decision depends on its input and on the bundle alone.
import { sprintf } from './sprintf.ts';

/** Takes arguments as JSON has them; gives JSON, or undefined where Rego's function would fail. */
export type Builtin = (...args: readonly unknown[]) => string | undefined;

/** What one instance's rules may call, and no more than it remembers of time zones for them. */
export function createBuiltins(zones = createZones()): ReadonlyMap<string, Builtin> {
  const timePart = (when: unknown, part: (parts: TimeParts) => unknown) => {
    const parts = timeParts(when, zones);
    return parts === undefined ? undefined : JSON.stringify(part(parts));
  };
  return new Map<string, Builtin>([
    [
      'sprintf',
      (format, values) =>
        typeof format === 'string' && Array.isArray(values)
          ? JSON.stringify(sprintf(format, values))
          : undefined,
    ],
    ['time.parse_rfc3339_ns', (text) => parseRfc3339Ns(text)?.toString()],
    ['time.clock', (when) => timePart(when, ({ hour, minute, second }) => [hour, minute, second])],
    ['time.date', (when) => timePart(when, ({ year, month, day }) => [year, month, day])],
    ['time.weekday', (when) => timePart(when, ({ weekday }) => weekday)],
  ]);
}

const RFC3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/;
/** What 64 bits of ns hold: beyond, Rego's function fails. */
const NS_MAX = 2n ** 63n - 1n;

/** The ns since 1970 UTC of a time as RFC 3339 writes it; undefined for anything else. */
export function parseRfc3339Ns(text: unknown): bigint | undefined {
  const [, seconds, fraction = '', zone] = RFC3339.exec(typeof text === 'string' ? text : '') ?? [];
  const ms = Date.parse(`${seconds}${zone}`);
  if (seconds === undefined || Number.isNaN(ms)) return undefined;
  const ns = BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  return ns > NS_MAX || ns < -NS_MAX ? undefined : ns;
}

interface TimeParts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly weekday: string;
}

/** Formats by time zone. */
export interface Zones {
  /** Undefined for a zone that is not known. */
  formatOf(zone: string): Intl.DateTimeFormat | undefined;
  readonly size: () => number;
}

/** Making a format costs 100 µs. Rules name few zones, but an input may name any: beyond this the oldest goes. */
export const ZONES_MAX = 64;

/** Makes the formats of one instance's rules. */
export function createZones(): Zones {
  const formats = new Map<string, Intl.DateTimeFormat | undefined>();
  return {
    size: () => formats.size,
    formatOf(zone) {
      if (!formats.has(zone)) {
        const [oldest] = formats.keys();
        if (formats.size >= ZONES_MAX && oldest !== undefined) formats.delete(oldest);
        formats.set(zone, makeFormat(zone));
      }
      return formats.get(zone);
    },
  };
}

/** The parts of `ns` or of `[ns, time zone]`, as the functions of Rego take it. */
function timeParts(when: unknown, zones: Zones): TimeParts | undefined {
  const [ns, zone] = Array.isArray(when) ? when : [when, 'UTC'];
  if (typeof ns !== 'number' || typeof zone !== 'string') return undefined;
  const format = zones.formatOf(zone === '' ? 'UTC' : zone);
  const ms = Math.floor(ns / 1e6);
  if (format === undefined || Number.isNaN(new Date(ms).getTime())) return undefined;
  const of = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]));
  return {
    ...{ year: Number(of.year), month: Number(of.month), day: Number(of.day) },
    ...{ hour: Number(of.hour), minute: Number(of.minute), second: Number(of.second) },
    weekday: of.weekday ?? '',
  };
}

function makeFormat(timeZone: string): Intl.DateTimeFormat | undefined {
  const number = 'numeric';
  try {
    return new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', weekday: 'long' },
      ...{ year: number, month: number, day: number, hour: number, minute: number, second: number },
    });
  } catch {
    return undefined;
  }
}
