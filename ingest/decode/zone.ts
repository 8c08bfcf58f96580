// Local times of a time zone: which instant they are, by the rules that Intl has for the zone.

/** One time zone. */
export interface Zone {
  /**
   * The instant of a local time, both in ms since 1970 (the local one as if it were UTC's); NaN where the zone's clocks
   * skip that time or show it twice: to guess would be to overwrite the readings of another hour.
   */
  toUtcMs(localMs: number): number;
}

/** Zones by name, made when first asked for. */
export interface Zones {
  readonly size: number;
  /** Undefined for a name that is no zone. */
  zone(name: string): Zone | undefined;
}

const ZONES_MAX = 1_000;
/** Offsets are remembered for so many hours of a zone. */
const HOURS_MAX = 4_096;
const HOUR_MS = 3_600_000;
/** No zone is, or was since 1970, further from UTC. */
const OFFSET_MAX_MS = 16 * HOUR_MS;

/** The offset of local time from UTC at an instant, in ms; the zone's own formatter says it. */
function offsetAt(format: Intl.DateTimeFormat, utcMs: number): number {
  const parts = { year: 0, month: 0, day: 0, hour: 0, minute: 0, second: 0 };
  for (const { type, value } of format.formatToParts(utcMs)) {
    if (type in parts) parts[type as keyof typeof parts] = Number(value);
  }
  const { year, month, day, hour, minute, second } = parts;
  const localMs = Date.UTC(year, month - 1, day, hour, minute, second);
  return localMs - Math.floor(utcMs / 1000) * 1000;
}

function createZone(name: string): Zone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  /** By the hour of local time: the one offset that the clocks have from a day before to a day after it. */
  const steady = new Map<number, number | undefined>();

  /** Offsets that may hold at a local time: one, or those on both sides of a change. */
  function candidates(localMs: number): readonly number[] {
    const before = offsetAt(format, localMs - OFFSET_MAX_MS);
    const after = offsetAt(format, localMs + OFFSET_MAX_MS);
    return before === after ? [before] : [before, after];
  }

  /** Undefined where a change is near. */
  function steadyOffset(localMs: number): number | undefined {
    const hour = Math.floor(localMs / HOUR_MS);
    if (steady.has(hour)) return steady.get(hour);
    const start = hour * HOUR_MS;
    const offsets = new Set([...candidates(start), ...candidates(start + HOUR_MS)]);
    const offset = offsets.size === 1 ? [...offsets][0] : undefined;
    if (steady.size >= HOURS_MAX) steady.clear();
    steady.set(hour, offset);
    return offset;
  }

  return {
    toUtcMs(localMs) {
      const offset = steadyOffset(localMs);
      if (offset !== undefined) return localMs - offset;
      const instants = candidates(localMs)
        .map((candidate) => localMs - candidate)
        .filter((utcMs) => utcMs + offsetAt(format, utcMs) === localMs);
      return instants.length === 1 ? (instants[0] as number) : Number.NaN;
    },
  };
}

/** Makes an empty collection of zones; when it holds `zonesMax`, it starts anew. */
export function createZones(zonesMax: number = ZONES_MAX): Zones {
  const zones = new Map<string, Zone | undefined>();
  return {
    get size() {
      return zones.size;
    },
    zone(name) {
      if (zones.has(name)) return zones.get(name);
      let made: Zone | undefined;
      try {
        made = createZone(name);
      } catch (cause) {
        if (!(cause instanceof RangeError)) throw cause;
      }
      if (zones.size >= zonesMax) zones.clear();
      zones.set(name, made);
      return made;
    },
  };
}
