import type { Client } from '../transaction.ts';

const SELECT_MAINTAINED_ROLLUPS = `
select r.name, r.family, r.ordinal, r.bucket_ms::float8 as bucket_ms,
  format('%I.%I', coalesce(c.materialization_hypertable_schema, 'tailrace'),
    coalesce(c.materialization_hypertable_name, r.name)) as materialisation,
  date_part('epoch', r.materialised_before) as materialised_before_s,
  date_part('epoch', r.kept_from) as kept_from_s
from tailrace.rollup r
left join timescaledb_information.continuous_aggregates c on c.view_schema = 'tailrace' and c.view_name = r.name
where r.maintained order by r.ordinal`;

interface RollupRow {
  readonly name: string;
  readonly family: 'm4' | 'path' | 'sketch';
  readonly ordinal: number;
  readonly bucket_ms: number;
  readonly materialisation: string;
  readonly materialised_before_s: number;
  readonly kept_from_s: number;
}

/** What each rollup can be made from, the best first; the others are made from readings. */
const SOURCES: ReadonlyMap<string, readonly string[]> = new Map([
  ['rollup_5m', ['rollup_1m']],
  ['rollup_15m', ['rollup_5m', 'rollup_1m']],
  ['rollup_1h', ['rollup_15m']],
  ['rollup_6h', ['rollup_1h']],
  ['rollup_1d', ['rollup_6h', 'rollup_1h']],
  ['path_15m', ['path_1m']],
  ['path_1h', ['path_15m']],
  ['path_1d', ['path_1h']],
  ['sketch_1h', ['sketch_15m']],
  ['sketch_1d', ['sketch_1h']],
]);

export interface MaintainedRollup {
  /** Name in the schema tailrace: a continuous aggregate of the m4 family, a hypertable of the others. */
  readonly name: string;
  readonly family: 'm4' | 'path' | 'sketch';
  readonly ordinal: number;
  readonly bucketUs: number;
  /** Name of the rollup that it is made from; undefined where that is the readings. */
  readonly source: string | undefined;
  /** The hypertable that holds its rows, as SQL names it. */
  readonly materialisation: string;
  /** µs since 1970; -Infinity where nothing is materialised. */
  readonly materialisedBeforeUs: number;
  /** Nothing is refreshed before it: its source is no longer held there. -Infinity where all of it is. */
  readonly refreshableFromUs: number;
}

/** The rollups that are kept up, each after those it is made from. */
export async function selectMaintainedRollups(client: Client): Promise<MaintainedRollup[]> {
  const { rows } = await client.query<RollupRow>(SELECT_MAINTAINED_ROLLUPS);
  return rows.map((row) => ({
    source: sourceOf(row, rows),
    name: row.name,
    family: row.family,
    ordinal: row.ordinal,
    bucketUs: row.bucket_ms * 1000,
    materialisation: row.materialisation,
    materialisedBeforeUs: Math.round(row.materialised_before_s * 1e6),
    refreshableFromUs: Math.round(row.kept_from_s * 1e6),
  }));
}

/**
 * A level that came with a later release is filled while coarser ones are there already: those are made from it once it
 * reaches as far as they do.
 */
function sourceOf({ name, materialised_before_s }: RollupRow, rows: readonly RollupRow[]) {
  const names = SOURCES.get(name);
  if (names === undefined) return undefined;
  const reaches = (one: RollupRow) => one.materialised_before_s >= materialised_before_s;
  const best = names.find((source) => rows.some((one) => one.name === source && reaches(one)));
  return best ?? names.at(-1);
}
