import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { withClient } from '../transaction.ts';
import { mergeRollup } from './mergeRollup.ts';
import { type MaintainedRollup, selectMaintainedRollups } from './selectMaintainedRollups.ts';

const DAY_US = 86_400_000_000;
const START_US = Date.parse('2026-03-02T00:00:00Z') * 1000;
const SLICE = { seriesIds: [1, 2, 3], startUs: START_US, endUs: START_US + DAY_US };

let opened: TestDatabase;

beforeAll(async () => {
  opened = await openTestDatabase();
  const { writer } = opened.database;
  await writer.query("update tailrace.rollup set maintained = family = 'm4'");
  // Some minutes are empty, some values are far from all others, one squares to infinity. No two are equal: of those it is
  // open whose time stands for the extreme.
  await writer.query(`
    insert into tailrace.reading (series_id, time, value)
    select s, timestamptz '2026-03-02Z' + i * interval '37 seconds' + (i % 7) * interval '90 seconds',
      case when i = 500 then 1e200 when i % 100 = 0 then -300 * s - i else 100 * sin(i * s) end
    from generate_series(1, 3) s, generate_series(0, 1200) i
    on conflict do nothing`);
});
afterAll(() => opened.dispose());

const select = async (text: string) => (await opened.database.writer.query(text)).rows;

// Sums depend on the order in which they are made.
const rounded = (column: string) =>
  `(select array_agg(round(x::numeric, 3)) from unnest(${column}) x) as ${column}`;
const COLUMNS = `series_id, bucket, first, t_first, last, t_last, min, t_min, max, t_max, ${rounded('stats')}`;

/**
 * Rows by which a rollup differs from what TimescaleDB holds to be its definition, or, of a table, the definition of the
 * finest one.
 */
async function difference({ name, bucketUs }: MaintainedRollup): Promise<unknown[]> {
  const [view] = await select(`
    select pg_get_viewdef(format('%I.%I', direct_view_schema, direct_view_name)::regclass) as definition
    from _timescaledb_catalog.continuous_agg where user_view_name in ('${name}', 'rollup_10s')
    order by user_view_name = '${name}' desc`);
  const definition = view.definition
    .replace(/;\s*$/, '')
    .replaceAll("'00:00:10'", `'${bucketUs / 1000} milliseconds'`);
  const [a, b] = [
    `select ${COLUMNS} from (${definition}) defined`,
    `select ${COLUMNS} from tailrace.${name}`,
  ];
  return await select(`(${a} except ${b}) union all (${b} except ${a}) limit 3`);
}

it('makes every rollup as it is defined, whatever was in it before, also where it is compressed', async () => {
  await withClient(opened.database, async (client) => {
    const rollups = await selectMaintainedRollups(client);
    expect(rollups).toHaveLength(7);
    const differing: unknown[] = [];
    for (const round of ['first', 'again', 'compressed']) {
      for (const rollup of rollups) {
        const rows = await mergeRollup(client, rollup, SLICE);
        expect([rollup.name, rows > 0]).toEqual([rollup.name, true]);
        const differences = await difference(rollup);
        if (differences.length > 0) differing.push([round, rollup.name, differences]);
      }
      if (round === 'again') await compressRollups();
    }
    expect(differing).toEqual([]);
  });
}, 120_000);

it('leaves alone other series and other times', async () => {
  await withClient(opened.database, async (client) => {
    const [minutes] = await selectMaintainedRollups(client);
    await select('update tailrace.reading set value = 7');
    const slice = { seriesIds: [2], startUs: START_US, endUs: START_US + 60e6 };
    await mergeRollup(client, minutes!, slice);
  });
  const rest = await select(`
    select count(*)::int as n from tailrace.rollup_10s where first = 7 and last = 7 and max = 7
    and not (series_id = 2 and bucket < '2026-03-02 00:01Z')`);
  expect(rest).toEqual([{ n: 0 }]);
});

async function compressRollups(): Promise<void> {
  const compressible = await select(`
    select view_name as name from timescaledb_information.continuous_aggregates
    where compression_enabled and view_schema = 'tailrace' union all select 'rollup_5m'`);
  for (const { name } of compressible) {
    await select(`select compress_chunk(c) from show_chunks('tailrace.${name}') c`);
  }
}
