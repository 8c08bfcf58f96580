// An object of a payload as decoders hand it on, and what the keys of an object say.
import { QUALITY_KEYS, TIME_KEYS, VALUE_KEYS } from './keys.ts';

/**
 * The keys of an object and their values, in its order. A class, so that it is told from the objects of JSON; those of
 * other formats are read into it at once, because an object of many keys is slower to make and to walk, and because a
 * key such as `__proto__` is no more than a key here.
 */
export class Fields {
  readonly keys: string[];
  readonly values: unknown[];

  constructor(keys: string[], values: unknown[]) {
    this.keys = keys;
    this.values = values;
  }
}

/** The fields of an object; undefined for what is none. */
export function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (value instanceof Fields) return value;
  if (Array.isArray(value) || value instanceof Uint8Array) return undefined;
  const object = value as Readonly<Record<string, unknown>>;
  const keys = Object.keys(object);
  const values: unknown[] = [];
  for (let index = 0; index < keys.length; index++) values.push(object[keys[index] as string]);
  return new Fields(keys, values);
}

/** Whether keys are those of a point in its plainest form, a time and a value: most objects are such. */
export function isPlainPoint(keys: readonly string[]): boolean {
  return (
    keys.length === 2 &&
    MEANINGS.get(keys[0] as string)?.place === 'time' &&
    MEANINGS.get(keys[1] as string)?.place === 'value'
  );
}

/** How much an object comes to. */
export interface Extent {
  /** That it holds or tries to, null and NaN among them. */
  readonly readings: number;
  /** Characters of what stands in it once and in several readings. */
  readonly repeatedText: number;
}

/** Where in the fields of an object stands what has a meaning; -1 where it does not. */
export interface Roles {
  time: number;
  value: number;
  quality: number;
  values: number;
  tenant: number;
  asset: number;
  /** Whether it has no key that names neither time nor value nor quality. */
  isPoint: boolean;
}

type Place = Exclude<keyof Roles, 'isPoint'>;

interface Meaning {
  readonly place: Place;
  /** Of several keys for one place the first in this order counts. */
  readonly rank: number;
}

function meanings(place: Place, keys: readonly string[]): [string, Meaning][] {
  return keys.map((key, rank) => [key, { place, rank }]);
}

const MEANINGS: ReadonlyMap<string, Meaning> = new Map([
  ...meanings('time', TIME_KEYS),
  ...meanings('value', VALUE_KEYS),
  ...meanings('quality', QUALITY_KEYS),
  ...meanings('values', ['values']),
  ...meanings('tenant', ['tenant']),
  ...meanings('asset', ['asset']),
]);

/** Finds what has a meaning among the keys of an object. */
export function rolesOf(keys: readonly string[]): Roles {
  const roles: Roles = {
    time: -1,
    value: -1,
    quality: -1,
    values: -1,
    tenant: -1,
    asset: -1,
    isPoint: false,
  };
  let named = 0;
  for (let index = 0; index < keys.length; index++) {
    const meaning = MEANINGS.get(keys[index] as string);
    if (meaning === undefined) continue;
    const { place, rank } = meaning;
    if (place === 'time' || place === 'value' || place === 'quality') named++;
    const found = roles[place];
    if (found === -1 || rank <= (MEANINGS.get(keys[found] as string) as Meaning).rank) {
      roles[place] = index;
    }
  }
  roles.isPoint = roles.value !== -1 && named === keys.length;
  return roles;
}
