// Old chunks of rollups are compressed, whichever way a rollup is stored.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { withClient } from '../transaction.ts';
import { compressRollupChunk } from './compressRollupChunk.ts';
import { maintainFamilies } from './maintainFamilies.ts';
import { mergeRollup } from './mergeRollup.ts';
import { selectMaintainedRollups } from './selectMaintainedRollups.ts';

const HOUR_US = 3_600_000_000;
const START_US = Date.parse('2026-03-02T00:00:00Z') * 1000;
const SLICE = { seriesIds: [1], startUs: START_US, endUs: START_US + 24 * HOUR_US };
const WEEK_MS = 7 * 86_400_000;
/** Few rows, which stay as they are. */
const COARSEST = ['path_1d', 'rollup_1d', 'rollup_6h', 'sketch_1d'];

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());

async function select<Row>(text: string): Promise<Row[]> {
  return (await opened.database.writer.query(text)).rows as Row[];
}

/** The rollups that have a chunk, and in each whether it is compressed. */
const chunks = () =>
  select<{ name: string; compressed: boolean }>(`
    select r.name, bool_and(c.is_compressed) as compressed
    from tailrace.rollup r
    left join timescaledb_information.continuous_aggregates a on a.view_schema = 'tailrace' and a.view_name = r.name
    join timescaledb_information.chunks c on c.hypertable_name = coalesce(a.materialization_hypertable_name, r.name)
    group by r.name`);

it('compresses every rollup but the coarsest, up to what is materialised of it', async () => {
  await select(`insert into tailrace.reading (series_id, time, value)
    values (1, '2026-03-02T03:00Z', 1), (1, '2026-03-02T04:00Z', 2)`);
  await withClient(opened.database, async (client) => {
    await maintainFamilies(client, ['m4', 'path', 'sketch']);
    const rollups = await selectMaintainedRollups(client);
    for (const rollup of rollups) await mergeRollup(client, rollup, SLICE);
    expect(await compressRollupChunk(client, WEEK_MS, null)).toBe(false);

    await select(`update tailrace.rollup set materialised_before = '2037-01-01' where maintained`);
    expect(await compressRollupChunk(client, WEEK_MS, 1)).toBe(false);
    const all = await chunks();
    expect(all).toHaveLength(rollups.length);
    for (const _ of all) await compressRollupChunk(client, WEEK_MS, null);
    expect(await compressRollupChunk(client, WEEK_MS, null)).toBe(false);
    const plain = (await chunks()).filter(({ compressed }) => !compressed);
    expect(plain.map(({ name }) => name).sort()).toEqual(COARSEST);
  });
}, 60_000);
