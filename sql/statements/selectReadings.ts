import type { BinaryRow } from '../binary-rows.ts';
import { unpackFloat8, unpackId, unpackInt2, unpackJson, unpackTimestamps } from '../packed.ts';
import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

// One ordered scan a series, which ends at its limit: over several series at once it would have to sort them all.
const select = (table: string, columns: string, scan: ScanLiterals) => `
select s.id as series_id, p.*
from unnest(array[${scan.ids}]::int4[]) as s (id)
cross join lateral (
  select string_agg(timestamptz_send(r.time), null) as times, ${columns}
  from (
    select time, value, quality from ${table}
    where series_id = s.id and time >= ${scan.start} and time < ${scan.end}
    order by time limit ${scan.limit}
  ) r
) p
where p.times is not null`;

const NUMBERS = `string_agg(float8send(r.value), null) as points`;
const STATES = 'json_agg(r.value) as points';
const QUALITIES = `, string_agg(int2send(r.quality), null) as qualities`;

interface ScanLiterals {
  readonly ids: string;
  readonly start: string;
  readonly end: string;
  readonly limit: number;
}

/** Which points: of each series the first `limit` in [startUs, endUs). */
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
  /** Empty unless asked for. */
  readonly qualities: Int16Array;
}

/** Points of number series, for each series that has any. */
export async function selectReadings(
  sql: Reading,
  scan: ReadingScan,
): Promise<ReadingRows<Float64Array>[]> {
  const columns = scan.qualities ? NUMBERS + QUALITIES : NUMBERS;
  const text = select('tailrace.reading', columns, literals(scan));
  const rows = await sql.binary(text);
  return rows.map((row) => unpack(row, unpackFloat8(row[2])));
}

/** Points of state series alike. */
export async function selectStateReadings(
  sql: Reading,
  scan: ReadingScan,
): Promise<ReadingRows<readonly string[]>[]> {
  const columns = scan.qualities ? STATES + QUALITIES : STATES;
  const text = select('tailrace.state_reading', columns, literals(scan));
  const rows = await sql.binary(text);
  return rows.map((row) => unpack(row, unpackJson<readonly string[]>(row[2])));
}

function literals(scan: ReadingScan): ScanLiterals {
  return {
    ids: idList(scan.seriesIds),
    start: timestampLiteral(scan.startUs),
    end: timestampLiteral(scan.endUs),
    limit: Math.trunc(scan.limit),
  };
}

function unpack<V>([seriesId, times, , qualities]: BinaryRow, values: V): ReadingRows<V> {
  return {
    seriesId: unpackId(seriesId),
    timesUs: unpackTimestamps(times),
    values,
    qualities: unpackInt2(qualities),
  };
}
