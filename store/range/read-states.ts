// The way of a range of states: what held at the start, by one look back; then the points, slice by slice, into
// intervals or into time by bucket. Nothing is kept of points that change nothing.
import { TailraceError } from '../../lib/errors.ts';
import type { Reading } from '../../sql/snapshot.ts';
import { type ReadingRows, selectStateReadings } from '../../sql/statements/selectReadings.ts';
import { selectStatesBefore } from '../../sql/statements/selectStatesBefore.ts';
import type { Series } from '../series.ts';
import { type Buckets, domainOf, resolveBuckets } from './buckets.ts';
import type { Explanation } from './explain.ts';
import { RAW_LEVEL } from './plan.ts';
import type { RangeAnswer, RangeColumns, RangeRequest, RangeSegment } from './range.ts';
import {
  addIntervalPoints,
  addTimeInStatePoints,
  createIntervalTable,
  createTimeInStateTable,
  gridWithin,
  intervalColumns,
  onGrid,
  type Span,
  timeInStateColumns,
} from './states.ts';

/** Series that one statement looks back for, or reads the beginnings of. */
const SERIES_A_STATEMENT = 50;

/** Points of each of them; a series with more is read on alone. */
const FIRST_POINTS = 1_000;

/** Points of one series in one slice: some 40 ms embedded. */
const SLICE_POINTS = 50_000;

/** What the texts of one answer may come to: a state is told by its text wherever it is told. */
const CHARACTERS_MAX = 64 * 1024 * 1024;

/** A step from which no interval is exact any more: ms are what clients are told. */
const FINEST_GRAIN_US = 1_000;

type StatesAnswer = Omit<RangeAnswer, 'complete' | 'position' | 'next' | 'explained'>;

/**
 * Reads a request that has `states`. Series of numbers have none: their columns are empty.
 *
 * @throws {TailraceError} `too_costly` where states have so much text, or buckets so many different states, that the
 *   answer is not for one reply
 */
export function readStates(
  sql: Reading,
  request: RangeRequest,
  states: NonNullable<RangeRequest['states']>,
  countRows: (rows: number) => void,
  explanation?: Explanation,
): Promise<StatesAnswer> {
  const { resolution, startUs, endUs } = request;
  const buckets =
    resolution.kind === 'raw' ? undefined : resolveBuckets(resolution, startUs, endUs);
  const domain = buckets === undefined ? { startUs, endUs } : domainOf(buckets);
  const [segment] = segmentsOf(domain);
  if (segment !== undefined) {
    explanation?.planned('states', [segment], request.series.filter(isState).length);
  }
  const count = (rows: number) => {
    countRows(rows);
    if (segment !== undefined) explanation?.counted(['states'], segment, rows);
  };
  const stream = { sql, request, domain, nowUs: states.nowUs, count };
  if (states.as === 'intervals') return readIntervals(stream, buckets, states.intervalsMax);
  if (buckets === undefined) throw new Error('time in state is told by bucket');
  return readTimesInState(stream, buckets);
}

interface Stream {
  readonly sql: Reading;
  readonly request: RangeRequest;
  readonly domain: Span;
  readonly nowUs: number;
  readonly count: (rows: number) => void;
}

async function readIntervals(
  stream: Stream,
  buckets: Buckets | undefined,
  intervalsMax: number,
): Promise<StatesAnswer> {
  const { domain, nowUs, request } = stream;
  const span = { startUs: domain.startUs, endUs: Math.min(domain.endUs, nowUs) };
  const stateSeries = request.series.filter(isState).length;
  const grainUs = buckets?.kind === 'uniform' ? buckets.stepUs : FINEST_GRAIN_US;
  let grid = buckets;
  let tables = new Map<number, ReturnType<typeof createIntervalTable>>();
  const total = () => [...tables.values()].reduce((sum, { starts }) => sum + starts.length, 0);

  for (let from = 0; from < request.series.length; from += SERIES_A_STATEMENT) {
    const series = request.series.slice(from, from + SERIES_A_STATEMENT).filter(isState);
    const before = await readBefore(stream, series);
    for (const { id } of series) {
      tables.set(id, createIntervalTable(span, grid, before.get(id)));
    }
    for await (const { seriesId, timesUs, values } of pointsOf(stream, series)) {
      addIntervalPoints(tables.get(seriesId)!, timesUs, values);
      requireShort(
        [...tables.values()].reduce((sum, table) => sum + charactersOf(table.values), 0),
      );
      if (total() <= intervalsMax) continue;
      // From here on short states are lost in longer ones, and the answer's step says so.
      grid = gridWithin(span, intervalsMax / stateSeries, grainUs);
      tables = new Map(Array.from(tables, ([id, table]) => [id, onGrid(table, grid!)]));
    }
  }
  return answerOf(stream, grid, ({ id }) => ({
    kind: 'intervals',
    ...intervalColumns(tables.get(id) ?? createIntervalTable(span, grid, undefined)),
  }));
}

async function readTimesInState(stream: Stream, buckets: Buckets): Promise<StatesAnswer> {
  const { request, nowUs } = stream;
  const columns = new Map<number, RangeColumns>();
  let characters = 0;
  for (let from = 0; from < request.series.length; from += SERIES_A_STATEMENT) {
    const series = request.series.slice(from, from + SERIES_A_STATEMENT).filter(isState);
    const before = await readBefore(stream, series);
    const tables = new Map(
      series.map(({ id }) => [id, createTimeInStateTable(buckets, before.get(id), nowUs)]),
    );
    for await (const { seriesId, timesUs, values } of pointsOf(stream, series)) {
      addTimeInStatePoints(tables.get(seriesId)!, timesUs, values);
      const open = [...tables.values()].reduce((sum, table) => sum + table.characters, 0);
      if (characters + open > CHARACTERS_MAX) throw tooManyStates();
    }
    for (const [id, table] of tables) {
      columns.set(id, { kind: 'time_in_state', ...timeInStateColumns(table) });
      characters += table.characters;
    }
    if (characters > CHARACTERS_MAX) throw tooManyStates();
  }
  const none = { kind: 'time_in_state', t: new Float64Array(0), states: [] } as const;
  return answerOf(stream, buckets, ({ id }) => columns.get(id) ?? none);
}

const segmentsOf = (domain: Span): RangeSegment[] =>
  domain.startUs < domain.endUs ? [{ level: RAW_LEVEL, ...domain }] : [];

const isState = ({ kind }: Series) => kind === 'state';

function answerOf(
  { domain, request }: Stream,
  buckets: Buckets | undefined,
  columnsOf: (series: Series) => RangeColumns,
): StatesAnswer {
  return {
    ...domain,
    buckets: buckets ?? null,
    level: RAW_LEVEL,
    segments: segmentsOf(domain),
    series: request.series.map((series) => ({ series, columns: columnsOf(series) })),
  };
}

/** The states that held at the domain's start, by series. */
async function readBefore(
  { sql, domain, nowUs, request }: Stream,
  series: readonly Series[],
): Promise<Map<number, string>> {
  const { earliestUs = Number.NEGATIVE_INFINITY } = request;
  if (series.length === 0 || domain.startUs >= nowUs) return new Map();
  const ids = series.map(({ id }) => id);
  return selectStatesBefore(sql, ids, domain.startUs, earliestUs);
}

/** Points of the domain that are not ahead of now, those of one series in their order. */
async function* pointsOf(
  { sql, domain, nowUs, count }: Stream,
  series: readonly Series[],
): AsyncGenerator<ReadingRows<readonly string[]>> {
  const { startUs } = domain;
  // Half-open: a state that begins now has not held yet.
  const endUs = Math.min(domain.endUs, nowUs);
  if (series.length === 0 || startUs >= endUs) return;
  const seriesIds = series.map(({ id }) => id);
  const scan = { endUs, qualities: false };
  const limit = FIRST_POINTS;
  for (const first of await selectStateReadings(sql, { ...scan, seriesIds, startUs, limit })) {
    count(first.timesUs.length);
    yield first;
    if (!first.more) continue;
    const alone = { ...scan, seriesIds: [first.seriesId], limit: SLICE_POINTS };
    for (let fromUs = first.timesUs.at(-1)! + 1; ; ) {
      const [rows] = await selectStateReadings(sql, { ...alone, startUs: fromUs });
      if (rows === undefined) break;
      count(rows.timesUs.length);
      yield rows;
      if (!rows.more) break;
      fromUs = rows.timesUs.at(-1)! + 1;
    }
  }
}

export function charactersOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0);
}

/**
 * Refuses what is told by too much text.
 *
 * @throws {TailraceError} `too_costly`
 */
export function requireShort(characters: number): void {
  if (characters <= CHARACTERS_MAX) return;
  throw new TailraceError(
    'too_costly',
    'These states have too much text for one answer: ask for fewer series or a shorter range.',
    { details: { parameter: 'start' } },
  );
}

function tooManyStates(): TailraceError {
  return new TailraceError(
    'too_costly',
    'There are too many different states to tell how long each held: ask for a shorter range.',
    { details: { parameter: 'start' } },
  );
}
