import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

const sumPoints = (name: string, ids: string, start: string, end: string) => `
select coalesce(sum(stats[1]), 0)::float8 as points from tailrace.${name}
where series_id in (${ids}) and bucket >= ${start} and bucket < ${end}`;

/** How many points of these series the buckets of the m4 rollup `name` that start in [startUs, endUs) were made of. */
export async function sumRolledUpPoints(
  sql: Reading,
  name: string,
  seriesIds: readonly number[],
  startUs: number,
  endUs: number,
): Promise<number> {
  if (!/^[a-z0-9_]+$/.test(name)) throw new TypeError(`not the name of a rollup: ${name}`);
  const [start, end] = [timestampLiteral(startUs), timestampLiteral(endUs)];
  const text = sumPoints(name, idList(seriesIds), start, end);
  const [row] = await sql.unsafe<{ points: number }[]>(text);
  return row?.points ?? 0;
}
