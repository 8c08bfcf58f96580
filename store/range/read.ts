// The way of a range: position in the feed, then per handful of series one snapshot in which the account of the
// rollups is read, a plan made, and the plan's segments read and merged into buckets.
import { TailraceError } from '../../lib/errors.ts';
import type { Feed } from '../../lib/feed/feed.ts';
import type { Metrics } from '../../lib/metrics.ts';
import { type Readable, type Reading, readEach, readSnapshot } from '../../sql/snapshot.ts';
import { selectStateReadings } from '../../sql/statements/selectReadings.ts';
import { selectRollupStates } from '../../sql/statements/selectRollupStates.ts';
import { type Ends, readEnds } from '../ends.ts';
import type { Series } from '../series.ts';
import { type Buckets, domainOf, resolveBuckets } from './buckets.ts';
import { type CostFactsOf, createCostFacts } from './costs.ts';
import { createExplanation, type Explanation } from './explain.ts';
import { createForecast, type Forecast } from './forecast.ts';
import { addStates, createStateTable, stateColumns } from './merge.ts';
import { isComplete, overlaySegments, planRange, RAW_LEVEL, type RollupState } from './plan.ts';
import type {
  RangeAnswer,
  RangeColumns,
  RangeRequest,
  RangeSegment,
  StateColumns,
} from './range.ts';
import { type RawScan, type RawSlice, readRawPage, readRawSlices } from './raw-page.ts';
import { readFamilies } from './read-families.ts';
import { charactersOf, readStates, requireShort } from './read-states.ts';
import { stepForWidth } from './step.ts';

export interface RangeReader {
  /** Ranges that are worth reading at once: some connections stay free for what is short. */
  readonly readsMax: number;
  /** Rows that one range may be expected to read; `costFacts` says what to expect. */
  readonly rowsMax: number;
  readonly costFacts: CostFactsOf;
  /**
   * Reads a range as of the feed's position at the time of the call; whatever was committed before is in.
   *
   * @throws {TailraceError} `too_costly` where the domain has too many buckets, with a `step` that would do, or states
   *   more text than one answer holds;
   *   `bad_parameter` where a page begins at a series that is not asked for
   */
  read(request: RangeRequest): Promise<RangeAnswer>;
  /**
   * Reads raw points however many there are, each time some are asked for; what is read later sees what was committed
   * meanwhile. Series come in the scan's order, those without points are left out, and one may come several times.
   */
  slices(scan: RawScan): AsyncIterable<RawSlice>;
  /** First and last point of each series in [startUs, endUs), which may be infinite; series without any are left out. */
  ends(
    series: readonly Series[],
    domain: Pick<RangeRequest, 'startUs' | 'endUs'>,
  ): Promise<readonly Ends[]>;
}

export interface RangeReaderOptions {
  readonly database: Readable;
  readonly feed: Feed;
  readonly metrics: Metrics;
  readonly rowsMax?: number;
}

/** Buckets of one series; a caller's own limits are far below. Each takes 64 bytes while it is merged. */
const BUCKETS_MAX = 1_000_000;

/**
 * Rows that one snapshot may be expected to read: embedded, a snapshot has the whole session, and 50,000 rollup rows
 * take about 120 ms of it.
 */
const SNAPSHOT_ROWS_MAX = 50_000;

/** Up to steps of a day m4 has at most three rows to a bucket, path mostly five; longer steps make few buckets. */
const ROWS_A_BUCKET = 5;

/** Some five seconds of one connection; embedded, where a point takes 0.8 µs and a rollup's row 2.5 µs, of everybody. */
const ROWS_MAX = 4_000_000;

/** Of the reading connections. */
const READS_SHARE = 0.8;

/** Points that one statement reads of one series, so that dense ones come in slices. */
const POINTS_A_STATEMENT = 50_000;

/** Makes a reader of ranges on the database's reading connections. */
export function createRangeReader(options: RangeReaderOptions): RangeReader {
  const { database, feed, metrics, rowsMax = ROWS_MAX } = options;
  const rowsRead = metrics.counter(
    'tailrace_query_rows_read_total',
    'points and rollup rows that ranges were made of',
  );
  const count = (rows: number) => rowsRead.inc(rows);
  // Whoever asks how it is done wants to know what was expected, however little it is.
  const countedFacts = createCostFacts(database, 0);
  const forecast = createForecast(metrics);

  return {
    rowsMax,
    costFacts: createCostFacts(database, rowsMax),
    readsMax: Math.max(1, Math.floor(database.reader.options.max * READS_SHARE)),
    async read(request) {
      const position = await feed.position();
      const { resolution, startUs, endUs, states } = request;
      const explanation = request.explain
        ? createExplanation(await countedFacts(request))
        : undefined;
      const each = readEach(database, request.signal);
      const reader = explanation?.on(each) ?? each;
      const answer = async (): Promise<Read> => {
        if (states !== undefined) {
          // Nothing drops states.
          const read = await readStates(reader, request, states, count, explanation);
          return { ...read, complete: true };
        }
        if (resolution.kind === 'raw') {
          return readPage(reader, request, resolution, count, explanation);
        }
        const buckets = resolveBuckets(resolution, startUs, endUs);
        return readBuckets({ database, forecast, count }, request, buckets, explanation);
      };
      const read = await answer();
      return { ...read, position, ...(explanation && { explained: explanation.result() }) };
    },
    slices: (scan) => readRawSlices(readEach(database, scan.signal), scan, count),
    ends: (series, domain) => readEnds(database, series, domain),
  };
}

function rawDomain({ startUs, endUs }: RangeRequest) {
  const segments = startUs < endUs ? [{ level: RAW_LEVEL, startUs, endUs }] : [];
  return { startUs, endUs, buckets: null, level: RAW_LEVEL, segments };
}

type Read = Omit<RangeAnswer, 'position' | 'explained'>;

/** A page of raw points. */
async function readPage(
  reader: Reading,
  request: RangeRequest,
  resolution: Extract<RangeRequest['resolution'], { kind: 'raw' }>,
  countRows: (rows: number) => void,
  explanation: Explanation | undefined,
): Promise<Read> {
  const domain = rawDomain(request);
  const { segments } = domain;
  explanation?.planned('raw', segments, request.series.length);
  const count = (rows: number) => {
    countRows(rows);
    for (const segment of segments) explanation?.counted(['raw'], segment, rows);
  };
  const [page, rollups] = await Promise.all([
    readRawPage(reader, request, resolution, count),
    selectRollupStates(reader),
  ]);
  const lines = rollups.filter(({ family }) => family === 'm4');
  return { ...domain, ...page, complete: isComplete(segments, lines) };
}

/** What one snapshot gave. */
interface Part {
  readonly segments: readonly RangeSegment[];
  readonly rollups: readonly RollupState[];
  readonly columns: readonly RangeColumns[];
  /** Of the texts in them. */
  readonly characters: number;
  readonly complete: boolean;
}

/** What every reading of buckets takes. */
interface Means {
  readonly database: Readable;
  readonly forecast: Forecast;
  /** Told of rows that were read. */
  readonly count: (rows: number) => void;
}

async function readBuckets(
  means: Means,
  request: RangeRequest,
  buckets: Buckets,
  explanation: Explanation | undefined,
): Promise<Read> {
  const { startUs, endUs } = domainOf(buckets);
  if (buckets.count > BUCKETS_MAX) throw tooCostly(endUs - startUs);

  const parts: Part[] = [];
  const size = Math.max(1, Math.floor(SNAPSHOT_ROWS_MAX / (buckets.count * ROWS_A_BUCKET + 1)));
  for (let from = 0; from < request.series.length; from += size) {
    const series = request.series.slice(from, from + size);
    parts.push(
      await readSnapshot(
        means.database,
        (snapshot) =>
          readPart(snapshot, means, { ...request, series, startUs, endUs }, buckets, explanation),
        request.signal,
      ),
    );
    requireShort(parts.reduce((sum, part) => sum + part.characters, 0));
  }
  const columns = parts.flatMap((part) => part.columns);
  return {
    startUs,
    endUs,
    buckets,
    ...combinedLevels(parts, buckets),
    complete: parts.every((part) => part.complete),
    series: request.series.map((series, index) => ({ series, columns: columns[index]! })),
  };
}

/** Reads some of the series, in one snapshot. The request's domain is whole buckets. */
async function readPart(
  snapshot: Reading,
  { forecast, count }: Means,
  request: RangeRequest,
  buckets: Buckets,
  explanation: Explanation | undefined,
): Promise<Part> {
  const reader = explanation?.on(snapshot) ?? snapshot;
  const ids = request.series.filter(({ kind }) => kind === 'number').map(({ id }) => id);
  const numbers =
    ids.length === 0
      ? undefined
      : await readFamilies(reader, request, ids, buckets, count, forecast, explanation);
  const states = { level: RAW_LEVEL, startUs: request.startUs, endUs: request.endUs };
  if (ids.length < request.series.length) {
    explanation?.planned('states', [states], request.series.length - ids.length);
  }
  const countStates = (rows: number) => {
    count(rows);
    explanation?.counted(['states'], states, rows);
  };
  const columns: RangeColumns[] = [];
  let characters = 0;
  for (const series of request.series) {
    const found = numbers?.columns.get(series.id);
    if (found !== undefined) {
      columns.push({ kind: 'm4', ...found });
      continue;
    }
    const told = await readStateBuckets(reader, series, request, buckets, countStates);
    characters += charactersOf(told.first) + charactersOf(told.last);
    requireShort(characters);
    columns.push({ kind: 'state', ...told });
  }
  const { segments = [], rollups = [], complete = true } = numbers ?? {};
  return { segments, rollups, columns, characters, complete };
}

/** A state series has no rollups: text has no extremes, and it changes seldom. */
async function readStateBuckets(
  snapshot: Reading,
  series: Series,
  request: RangeRequest,
  buckets: Buckets,
  count: (rows: number) => void,
): Promise<StateColumns> {
  const table = createStateTable(buckets);
  const scan = { seriesIds: [series.id], endUs: request.endUs, qualities: false };
  for (let startUs = request.startUs; startUs < request.endUs; ) {
    const limit = POINTS_A_STATEMENT;
    const [rows] = await selectStateReadings(snapshot, { ...scan, startUs, limit });
    if (rows === undefined) break;
    addStates(table, rows.timesUs, rows.values);
    requireShort(charactersOf(table.first) + charactersOf(table.last));
    count(rows.timesUs.length);
    startUs = rows.more ? rows.timesUs.at(-1)! + 1 : request.endUs;
  }
  return stateColumns(table);
}

/** Segments and level of the whole answer. A stretch that two snapshots read from two levels counts as the finer. */
function combinedLevels(
  parts: readonly Part[],
  buckets: Buckets,
): Pick<RangeAnswer, 'level' | 'segments'> {
  const numbers = parts.filter((part) => part.rollups.length > 0);
  const [first, ...others] = numbers.map((part) => part.segments);
  if (first === undefined) return planRange({ buckets, rollups: [], dirty: [] });
  const bucketUs = new Map(
    numbers.flatMap((part) => part.rollups.map((rollup) => [rollup.level, rollup.bucketUs])),
  );
  const widthOf = (level: string) => bucketUs.get(level) ?? 0;
  const segments = others.reduce(
    (all, next) => overlaySegments(all, next, (a, b) => (widthOf(a) <= widthOf(b) ? a : b)),
    first,
  );
  const coarser = (a: string, b: RangeSegment) => (widthOf(a) >= widthOf(b.level) ? a : b.level);
  return { segments, level: segments.reduce(coarser, RAW_LEVEL) };
}

function tooCostly(spanUs: number): TailraceError {
  const stepMs = stepForWidth(spanUs, BUCKETS_MAX / 100);
  return new TailraceError(
    'too_costly',
    `The range has more than ${BUCKETS_MAX} buckets: ask for a coarser step or a shorter range.`,
    { details: { step: `${stepMs}ms` } },
  );
}
