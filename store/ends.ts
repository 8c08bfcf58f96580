// The first and last points of series within a domain, for those who may not see all of it. What lies at the very ends
// of a series is in memory (latest.ts); this looks into the tables.
import { type Readable, readSnapshot } from '../sql/snapshot.ts';
import { type EndsRow, selectEnds } from '../sql/statements/selectEnds.ts';
import type { Series } from './series.ts';

/** First and last point of a series within a domain; times in µs since 1970 UTC. */
export type Ends = EndsRow;

/** Series of one snapshot: embedded, it has the session to itself for some 50 ms. */
const SERIES_A_SNAPSHOT = 200;

/** Reads the ends of series within [startUs, endUs), which may be infinite; a series without points there has none. */
export async function readEnds(
  database: Readable,
  series: readonly Series[],
  domain: { readonly startUs: number; readonly endUs: number },
): Promise<Ends[]> {
  if (domain.startUs >= domain.endUs) return [];
  const ends: Ends[] = [];
  for (const kind of ['number', 'state'] as const) {
    const ids = series.filter((one) => one.kind === kind).map(({ id }) => id);
    for (let from = 0; from < ids.length; from += SERIES_A_SNAPSHOT) {
      const slice = ids.slice(from, from + SERIES_A_SNAPSHOT);
      ends.push(
        ...(await readSnapshot(database, (snapshot) => selectEnds(snapshot, kind, slice, domain))),
      );
    }
  }
  return ends;
}
