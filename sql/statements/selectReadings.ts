import type { BinaryRow } from '../binary-rows.ts';
import { unpackFloat8, unpackId, unpackInt2, unpackJson, unpackTimestamps } from '../packed.ts';
import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// One ordered scan a series, which ends at its limit: over several series at once it would have to sort them all.
const select = (points: string, columns: string, { ids, limit }: ScanLiterals) => `
select s.id as series_id, p.*
from unnest(array[${ids}]::int4[]) as s (id)
cross join lateral (
  select string_agg(timestamptz_send(r.time), null) as times, ${columns}
  from (${points} order by time limit ${limit}) r
) p
where p.times is not null`;

const points = (table: string, { start, end }: ScanLiterals) => `
    select time, value, quality from ${table}
    where series_id = s.id and time >= ${start} and time < ${end}`;

/** Texts of one statement, which are in memory all at once, here and in the database. */
const TEXT_BYTES_MAX = 16 * 1024 * 1024;

// The first point comes however long its text is. The length of a text is known without reading it.
const shortEnough = (states: string, { limit }: ScanLiterals, bytesMax: number) => `
    select time, value, quality from (
      select *, sum(octet_length(value)) over (order by time rows between unbounded preceding and 1 preceding) as before
      from (${states} order by time limit ${limit}) first_states
    ) measured where coalesce(before, 0) < ${bytesMax}`;

const NUMBERS = 'string_agg(float8send(r.value), null) as points';
const STATES = 'json_agg(r.value) as points';
const QUALITIES = ', string_agg(int2send(r.quality), null) as qualities';

interface ScanLiterals {
  readonly ids: string;
  readonly start: string;
  readonly end: string;
  readonly limit: number;
}

/** Which points: of each series the first ones in [startUs, endUs), at most `limit`, and of long texts fewer. */
export interface ReadingScan {
  readonly seriesIds: readonly number[];
  readonly startUs: number;
  readonly endUs: number;
  readonly limit: number;
  /** Whether qualities are wanted. */
  readonly qualities: boolean;
}

/** Points of one series in the order of time; µs since 1970 UTC. */
export interface ReadingRows<V> {
  readonly seriesId: number;
  readonly timesUs: Float64Array;
  readonly values: V;
  /** Whether there may be more points behind these. */
  readonly more: boolean;
  /** Empty unless asked for. */
  readonly qualities: Int16Array;
}

/** Points of number series, for each series that has any. */
export async function selectReadings(
  sql: Reading,
  scan: ReadingScan,
): Promise<ReadingRows<Float64Array>[]> {
  const literals = literalsOf(scan);
  const more = `, count(*) >= ${literals.limit} as more`;
  const columns = NUMBERS + more + (scan.qualities ? QUALITIES : '');
  const text = select(points('tailrace.reading', literals), columns, literals);
  const rows = await sql.binary(text);
  return rows.map((row) => unpack(row, unpackFloat8(row[2])));
}

/** Points of state series alike. */
export async function selectStateReadings(
  sql: Reading,
  scan: ReadingScan,
): Promise<ReadingRows<readonly string[]>[]> {
  const literals = literalsOf(scan);
  const bytesMax = Math.ceil(TEXT_BYTES_MAX / Math.max(1, scan.seriesIds.length));
  const states = shortEnough(points('tailrace.state_reading', literals), literals, bytesMax);
  const more = `, count(*) >= ${literals.limit} or sum(octet_length(r.value)) >= ${bytesMax} as more`;
  const columns = STATES + more + (scan.qualities ? QUALITIES : '');
  const rows = await sql.binary(select(states, columns, literals));
  return rows.map((row) => unpack(row, unpackJson<readonly string[]>(row[2])));
}

function literalsOf(scan: ReadingScan): ScanLiterals {
  return {
    ids: idList(scan.seriesIds),
    start: timestampLiteral(scan.startUs),
    end: timestampLiteral(scan.endUs),
    limit: Math.trunc(scan.limit),
  };
}

function unpack<V>([seriesId, times, , more, qualities]: BinaryRow, values: V): ReadingRows<V> {
  return {
    seriesId: unpackId(seriesId),
    timesUs: unpackTimestamps(times),
    values,
    more: more?.[0] === 1,
    qualities: unpackInt2(qualities),
  };
}
