// Paths with places for values: `/v1/dead-letters/{id}/replay`.

const PLACE = /^\{(\w+)\}$/;

/** Whether a route's path has places for values. */
export function hasPlaces(template: string): boolean {
  return template.split('/').some((segment) => PLACE.test(segment));
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

/** The values at the places of `template`, by name; undefined for a path that it is not the template of. */
export function pathValues(
  template: string,
  path: string,
): Readonly<Record<string, string>> | undefined {
  const places = template.split('/');
  const segments = path.split('/');
  if (places.length !== segments.length) return undefined;
  const values: Record<string, string> = {};
  for (const [i, place] of places.entries()) {
    const segment = segments[i] as string;
    const name = PLACE.exec(place)?.[1];
    const value = name === undefined ? undefined : decoded(segment);
    if (name === undefined ? place !== segment : value === undefined || value === '') {
      return undefined;
    }
    if (name !== undefined && value !== undefined) values[name] = value;
  }
  return values;
}
