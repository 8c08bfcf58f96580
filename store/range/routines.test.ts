// The routines of sql/routines give the same answers as the code that serves ranges.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { type Buckets, edgeUs, uniformBuckets } from './buckets.ts';
import { calendarEdges } from './calendar.ts';
import { addPathPoints, createPathTable, type PathPoint, pathColumns } from './path.ts';
import {
  addSketchRows,
  createSketchTable,
  QUANTILES,
  quantileColumns,
  sketchBucket,
  sketchValue,
} from './sketch.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());

async function query(text: string, values: readonly unknown[]): Promise<unknown[][]> {
  const { rows } = await opened.database.writer.query({
    text,
    values: [...values],
    rowMode: 'array',
  });
  return rows as unknown[][];
}

const START_US = Date.UTC(2026, 5, 1) * 1000;
const STEP_US = 60_000_000;
const SLOTS = 10;
const BUCKETS = uniformBuckets(
  { stepUs: STEP_US, originUs: 0 },
  START_US,
  START_US + SLOTS * STEP_US,
);

/** µs since 1970 as SQL has to read them: exactly. */
const TIME = (us: string) => `timestamptz '1970-01-01 00:00+00' + ${us} * interval '1 microsecond'`;
const US = (time: string) => `round(date_part('epoch', ${time}) * 1e6)`;

const number = fc.oneof(
  fc.integer({ min: -5, max: 20 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constantFrom(0, -0, 5e-324, 1e-300, 1e139, -1e141, 1.7e308),
);
const points = (fromUs: number, minLength: number) =>
  fc
    .uniqueArray(
      fc.record({
        timeUs: fc.integer({ min: fromUs, max: START_US + SLOTS * STEP_US - 1 }),
        value: number,
      }),
      { selector: ({ timeUs }) => timeUs, minLength, maxLength: 40 },
    )
    .map((list): readonly PathPoint[] => list);

const rising = (list: readonly PathPoint[]) => list.toSorted((a, b) => a.timeUs - b.timeUs);
const times = (list: readonly PathPoint[]) => list.map(({ timeUs }) => timeUs);
const values = (list: readonly PathPoint[]) => list.map(({ value }) => value);

function closeTo(actual: unknown, expected: number, scale: number): void {
  // Routines leave open what has values beyond 1e140 in it, as paths of rollups do.
  const isOpen = actual === null || Number.isNaN(actual);
  if (scale > 1e140 && isOpen) return;
  if (Number.isNaN(expected)) expect(isOpen).toBe(true);
  else expect(Math.abs((actual as number) - expected)).toBeLessThanOrEqual(1e-12 * scale);
}

/** What the server says of points in the buckets that hold any. */
function lineOf(buckets: Buckets, list: readonly PathPoint[], before: PathPoint | undefined) {
  const table = createPathTable(buckets, before);
  const sorted = rising(list);
  addPathPoints(table, Float64Array.from(times(sorted)), Float64Array.from(values(sorted)));
  const filled = Float64Array.from(table.tFirst.keys()).filter(
    (slot) => !Number.isNaN(table.tFirst[slot]!),
  );
  return { filled, columns: pathColumns(table, filled) };
}

describe('lines', () => {
  const call = (f: string) =>
    `tailrace.${f}(t, v order by t), tailrace.${f}(array_agg(t), array_agg(v))`;
  const sql = `
    select ${['twa', 'twa_step', 'delta', 'rate'].map(call).join(', ')}
    from (select ${TIME('us')} as t, v from unnest($1::int8[], $2::float8[]) as p (us, v)) p`;

  it('aggregated in order, or from arrays in any order', async () => {
    const whole = uniformBuckets(
      { stepUs: SLOTS * STEP_US, originUs: START_US },
      START_US,
      START_US + 1,
    );
    await fc.assert(
      fc.asyncProperty(points(START_US, 1), async (list) => {
        const [row] = await query(sql, [times(list), values(list)]);
        const { columns } = lineOf(whole, list, undefined);
        const { twa, twaStep, delta, rate } = columns;
        const scale = Math.max(1, ...values(list).map(Math.abs)) * list.length;
        for (const [i, [expected]] of [twa, twaStep, delta, rate].entries()) {
          closeTo(row![i * 2], expected!, i === 3 ? scale * 1e6 : scale);
          closeTo(row![i * 2 + 1], expected!, i === 3 ? scale * 1e6 : scale);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('of a stored series by bucket', async () => {
    let series = 1_000;
    const early = START_US - 5 * STEP_US;
    await fc.assert(
      fc.asyncProperty(points(early, 1), async (list) => {
        series += 1;
        await query(
          `insert into tailrace.reading (series_id, time, value)
          select $1, ${TIME('us')}, v from unnest($2::int8[], $3::float8[]) as p (us, v)`,
          [series, times(list), values(list)],
        );
        const rows = await query(
          `select ${US('t')}, twa, twa_step, delta, rate
          from tailrace.range_line($1, ${TIME('$2::int8')}, ${TIME('$3::int8')}, interval '1 minute')`,
          [series, START_US, START_US + SLOTS * STEP_US],
        );
        const inside = list.filter(({ timeUs }) => timeUs >= START_US);
        const before = rising(list.filter(({ timeUs }) => timeUs < START_US)).at(-1);
        const { filled, columns } = lineOf(BUCKETS, inside, before);
        const { twa, twaStep, delta, rate } = columns;
        const scale = Math.max(1, ...values(list).map(Math.abs)) * list.length;
        expect(rows.map(([t]) => t)).toEqual(Array.from(filled, (slot) => edgeUs(BUCKETS, slot)));
        for (const [i, row] of rows.entries()) {
          closeTo(row[1], twa[i]!, scale);
          closeTo(row[2], twaStep[i]!, scale);
          closeTo(row[3], delta[i]!, scale);
          closeTo(row[4], rate[i]!, scale * 1e6);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuse points in another order, and say what to write', async () => {
    const twice = `select tailrace.twa(t, 1) from (values (now()), (now() - interval '1 s')) p (t)`;
    await expect(query(twice, [])).rejects.toMatchObject({
      message: expect.stringContaining('order of time'),
      hint: expect.stringContaining('order by time'),
    });
  });
});

describe('sketches', () => {
  const value = fc.oneof(number, fc.double({ noNaN: true, noDefaultInfinity: true }));

  it('have the same buckets, and read the same values from them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 100 }), async (list) => {
        const rows = await query(
          'select b, tailrace.sketch_value(b) from (select tailrace.sketch_bucket(v) as b from unnest($1::float8[]) v) x',
          [list],
        );
        for (const [i, [bucket, middle]] of rows.entries()) {
          expect(bucket).toBe(sketchBucket(list[i]!) + 0);
          closeTo(middle, sketchValue(bucket as number), Math.abs(list[i]!) + 1e-300);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('give the same quantiles, merged or not', async () => {
    const sql = `
      with whole as (select tailrace.sketch(v) as s from unnest($1::float8[]) v),
      merged as (select tailrace.sketch_merge(s) as s from (
        select tailrace.sketch(v) as s from unnest($1::float8[]) with ordinality p (v, i) group by i % 3) part)
      select whole.s = merged.s, array(select tailrace.sketch_quantile(merged.s, q) from unnest($2::float8[]) q)
      from whole, merged`;
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 100 }), async (list) => {
        const [row] = await query(sql, [list, Object.values(QUANTILES)]);
        const table = createSketchTable(BUCKETS);
        // Of counts, as routines are: of points the server's are exact.
        addSketchRows(table, {
          timesUs: new Float64Array(list.length).fill(START_US),
          valueBuckets: Int32Array.from(list, sketchBucket),
          counts: new Float64Array(list.length).fill(1),
        });
        const extremes = {
          min: Float64Array.of(Math.min(...list)),
          max: Float64Array.of(Math.max(...list)),
        };
        const expected = quantileColumns(table, Float64Array.of(0), extremes);
        expect(row![0]).toBe(true);
        const scale = Math.max(...list.map(Math.abs)) + 1e-260;
        for (const [i, [quantile]] of Object.values(expected).entries()) {
          closeTo((row![1] as number[])[i], quantile!, scale);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('calendars', () => {
  const zones = [
    ...[
      'UTC',
      'Europe/Oslo',
      'Asia/Kolkata',
      'Asia/Kathmandu',
      'Australia/Lord_Howe',
      'Pacific/Apia',
    ],
    ...[
      'America/Havana',
      'America/St_Johns',
      'America/Sao_Paulo',
      'America/New_York',
      'Asia/Beirut',
    ],
  ];
  const steps = fc
    .record({
      unit: fc.constantFrom('day', 'week', 'month'),
      count: fc.integer({ min: 1, max: 8 }),
    })
    // PostgreSQL does not tell 7 days from a week.
    .filter(({ unit, count }) => unit !== 'day' || count % 7 !== 0);
  const timesUs = fc.integer({
    min: Date.UTC(1990, 0, 1) * 1000,
    max: Date.UTC(2025, 0, 1) * 1000,
  });

  it('begin buckets where ranges do', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...zones),
        steps,
        timesUs,
        fc.integer({ min: 1, max: 200 * 86_400_000_000 }),
        async (zone, { unit, count }, startUs, spanUs) => {
          const edges = calendarEdges({ unit, count, zone }, startUs, startUs + spanUs);
          const rows = await query(
            `select ${US('t')} from tailrace.gapfill(${TIME('$1::int8')}, ${TIME('$2::int8')}, $3::interval, $4) t`,
            [startUs, startUs + spanUs, `${count} ${unit}`, zone],
          );
          expect(rows.map(([t]) => t)).toEqual(Array.from(edges.subarray(0, -1)));
          // At every edge, and about it where clocks change.
          const around = Array.from(edges).flatMap((us) =>
            [-5_400, -1, 0, 60, 1_800, 5_400].map((s) => us + s * 1e6),
          );
          const wide = calendarEdges({ unit, count, zone }, around[0]!, around.at(-1)! + 1);
          const found = await query(
            `select ${US(`tailrace.bucket($2::interval, ${TIME('us')}, $3)`)} from unnest($1::int8[]) us`,
            [around, `${count} ${unit}`, zone],
          );
          expect(found.map(([t]) => t)).toEqual(
            around.map((us) => wide.findLast((edge) => edge <= us)),
          );
        },
      ),
      { numRuns: 80 },
    );
  });

  it.each(['America/Havana', 'America/St_Johns', 'Pacific/Apia', 'Asia/Beirut'])(
    'through all days of %s',
    async (zone) => {
      const [fromUs, untilUs] = [Date.UTC(2005, 0, 1) * 1000, Date.UTC(2013, 0, 1) * 1000];
      const edges = calendarEdges({ unit: 'day', count: 1, zone }, fromUs, untilUs);
      const sql = `select ${US('t')} from tailrace.gapfill(${TIME('$1::int8')}, ${TIME('$2::int8')}, interval '1 day', $3) t`;
      const rows = await query(sql, [fromUs, untilUs, zone]);
      expect(rows.map(([t]) => t)).toEqual(Array.from(edges.subarray(0, -1)));
      const inner = Array.from(edges.subarray(1, -1));
      const around = inner.flatMap((us) => [-4_000, -30, 30, 1_900].map((s) => us + s * 1e6));
      const found = await query(
        `select ${US(`tailrace.bucket('1 day', ${TIME('us')}, $2)`)} from unnest($1::int8[]) us`,
        [around, zone],
      );
      const expected = inner.flatMap((us, i) => [edges[i]!, edges[i]!, us, us]);
      expect(found.map(([t]) => t)).toEqual(expected);
    },
  );
});
