// The parameters of a range, read into a question that is well-formed.

import { parseDuration } from '../../lib/duration.ts';
import { TailraceError } from '../../lib/errors.ts';
import { type CalendarStep, isTimeZone } from '../../store/range/calendar.ts';
import type { RangeResolution, StatesRequest } from '../../store/range/range.ts';
import { parseStep, stepForWidth } from '../../store/range/step.ts';
import { CHOICE_PARAMETERS, type Choice, readChoice } from '../choice.ts';
import type { Parameter } from '../http/routes.ts';
import {
  invalidParameter,
  notSupportedYet,
  oneOf,
  type ParameterReader,
  pagingParameters,
  wholeNumber,
} from '../parameters.ts';
import { readTimeoutMs, TIMEOUT_PARAMETER } from './deadline.ts';
import { parseTimeUs } from './times.ts';

const WIDTH_DEFAULT = 1_000;
const WIDTH_MAX = 10_000;
const LIMIT_DEFAULT = 100_000;
const LIMIT_MAX = 1_000_000;
const DAY_MS = 86_400_000;
/** A hundred years. */
const OFFSET_MAX_MS = 36_525 * DAY_MS;

const AGGREGATES = [
  ...(['m4', 'first', 'last', 'min', 'max', 'mean', 'sum', 'count', 'stddev'] as const),
  ...(['p50', 'p90', 'p95', 'p99', 'twa', 'twa_step', 'rate', 'delta'] as const),
] as const;
export type Aggregate = (typeof AGGREGATES)[number];
/** What only series of states have. */
const STATE_AGGREGATES = ['intervals', 'time_in_state'] as const;

const FILLS = ['none', 'null', 'previous', 'linear'] as const;
export type Fill = (typeof FILLS)[number];

export const FORMATS = ['json', 'csv', 'ndjson', 'msgpack', 'arrow'] as const;
export type Format = (typeof FORMATS)[number];

export const RANGE_PARAMETERS: readonly Parameter[] = [
  ...CHOICE_PARAMETERS,
  {
    name: 'start',
    description: 'Start of the domain, included: RFC 3339, Unix seconds, or relative to now.',
    schema: { type: 'string' },
    required: true,
    example: 'now-6h',
  },
  {
    name: 'end',
    description: 'End of the domain, excluded; now unless said. Written like `start`.',
    schema: { type: 'string', default: 'now' },
    example: 'now',
  },
  {
    name: 'width',
    description: 'Pixels of the chart: the step is the largest that gives as many buckets.',
    schema: { type: 'integer', minimum: 1, maximum: WIDTH_MAX, default: WIDTH_DEFAULT },
  },
  {
    name: 'step',
    description: 'Length of a bucket, instead of width: `250ms`, `30s`, `1h`, `1d`, `1w`, `1mo`.',
    schema: { type: 'string' },
    example: '1m',
  },
  {
    name: 'points',
    description:
      '`raw` for the points themselves, instead of buckets. As csv, ndjson and arrow they come in one answer of any ' +
      'length, unless `limit` is given or the policy allows so many points at once: series after series, each in the ' +
      'order of time. A long one is read while it is sent: each part of it shows what was committed when that was read, ' +
      'it has no ETag, and `q` is told of every point of csv and arrow (0 is good). It ends with its connection cut ' +
      'where its token or the right to it ends, or where nothing is taken of it for 30 s.',
    schema: { type: 'string', enum: ['raw'] },
  },
  {
    name: 'agg',
    description:
      'What a bucket holds, one or several with commas. m4 is first, last, min and max with their times. Of series of ' +
      'states, each alone: `time_in_state` is an object a bucket, state to ms, also of buckets through which a state ' +
      'held without a point; `intervals` gives no buckets but `value`, `start` and `end`, equal neighbours joined, the ' +
      'state that held at the start of the domain with them, the last one until the end or now. Intervals take neither ' +
      'width nor step; `step_ms` is null where they are exact, and else how coarsely changes are told: of so many ms ' +
      'the last state, from their start (under a finest step, and beyond 100,000 intervals or the points allowed). ' +
      'Series of numbers among others come out empty.',
    schema: { type: 'string', default: 'm4' },
    example: 'mean,count',
  },
  {
    name: 'fill',
    description:
      'What stands in buckets without points, of which `count` is 0; with none they are left out.',
    schema: { type: 'string', enum: FILLS, default: 'none' },
  },
  {
    name: 'tz',
    description:
      'Time zone whose midnights steps of a day and longer start at: a name, or an offset such as `+05:30`.',
    schema: { type: 'string', default: 'UTC' },
  },
  {
    name: 'offset',
    description:
      'Another period for comparison: the readings of so long before the domain, at the times of the domain. A length ' +
      'of time, which is the same in every zone: `7d` are 168 hours, also where a clock changed.',
    schema: { type: 'string' },
    example: '7d',
  },
  ...pagingParameters('raw points of an answer, over all series', LIMIT_MAX, LIMIT_DEFAULT),
  {
    name: 'format',
    description:
      'Form of the answer; goes before Accept. `arrow` is an Arrow IPC stream with the columns of `csv`: numbers as ' +
      'float64, times as timestamps in µs, asset and channel as dictionaries; a column that holds texts of one series ' +
      'and numbers of another holds texts.',
    schema: { type: 'string', enum: FORMATS },
  },
  {
    name: 'index',
    description: 'What the series run over.',
    schema: { type: 'string', enum: ['time'], default: 'time' },
  },
  {
    name: 'explain',
    description:
      '`1` for a member `plan`: by family of rollups which level served which stretch, the rows expected and read, and ' +
      'the statements with their constants, whose times are those that were read. Of json and msgpack.',
    schema: { type: 'string', enum: ['0', '1'], default: '0' },
  },
  TIMEOUT_PARAMETER,
];

/** How the domain is to be divided, as the caller sees it; `stepMs` of months is that of 30 days. */
export type Division =
  | Extract<RangeResolution, { kind: 'width' | 'raw' }>
  | (Extract<RangeResolution, { kind: 'step' }> & { readonly originMs: number })
  | (CalendarStep & { readonly kind: 'calendar'; readonly stepMs: number });

/** A range as it was asked for, before the policy and the catalogue have looked at it. */
export interface RangeQuery {
  readonly choice: Choice;
  readonly startUs: number;
  readonly endUs: number;
  /** Of raw, `limit` is set and `after` is not. */
  readonly resolution: Division;
  /** The series are shown so much later than they were: a day of last week under the same day of this. */
  readonly offsetUs: number;
  readonly aggregates: readonly Aggregate[];
  /** How long states held, instead of aggregates; of intervals the resolution is raw. */
  readonly states?: StatesRequest['as'] | undefined;
  readonly fill: Fill;
  /** Whether the caller asked for pages; json and msgpack are paged in any case. */
  readonly limited: boolean;
  readonly page: string | undefined;
  readonly format: string | undefined;
  readonly timeoutMs: number;
  /** Whether the answer says how it was made. */
  readonly explain?: boolean;
}

function readTimeUs(reader: ParameterReader, name: string, nowUs: number): number | undefined {
  const text = reader.one(name);
  if (text === undefined) return undefined;
  const us = parseTimeUs(text, nowUs);
  if (us === undefined) {
    throw invalidParameter(
      name,
      'has to be RFC 3339 (2026-01-31T12:00:00Z), Unix seconds, or relative (now-6h)',
    );
  }
  return us;
}

function readDomain(reader: ParameterReader, nowUs: number) {
  const startUs = readTimeUs(reader, 'start', nowUs);
  const endUs = readTimeUs(reader, 'end', nowUs) ?? nowUs;
  if (startUs === undefined) {
    throw new TailraceError('missing_parameter', 'Say where the range starts: start.', {
      details: { parameter: 'start' },
    });
  }
  if (endUs <= startUs) throw invalidParameter('end', 'has to be after start');
  return { startUs, endUs };
}

function readResolution(
  reader: ParameterReader,
  spanUs: number,
  zone: string | undefined,
): Division {
  const given = ['width', 'step', 'points'].filter((name) => reader.one(name) !== undefined);
  if (given.length > 1) {
    throw new TailraceError('conflicting_parameters', `Give one of ${given.join(' and ')}.`, {
      details: { parameter: given[1] },
    });
  }
  const step = reader.one('step');
  if (step !== undefined) {
    const { stepMs, originMs, calendar } = parseStep(step);
    // Below a day, midnight in any zone starts a bucket or splits none.
    const fixed = calendar === undefined || (zone === undefined && calendar.unit !== 'month');
    if (fixed) return { kind: 'step', stepMs, originMs };
    return { kind: 'calendar', ...calendar, zone: zone ?? 'UTC', stepMs };
  }
  if (oneOf(reader, 'points', ['raw']) === undefined) {
    const pixels = wholeNumber(reader, 'width', { min: 1, max: WIDTH_MAX }) ?? WIDTH_DEFAULT;
    const stepMs = stepForWidth(spanUs, pixels);
    if (zone === undefined || stepMs < DAY_MS) return { kind: 'width', pixels };
    return { kind: 'calendar', unit: 'day', count: stepMs / DAY_MS, zone, stepMs };
  }
  const limit = wholeNumber(reader, 'limit', { min: 1, max: LIMIT_MAX }) ?? LIMIT_DEFAULT;
  return { kind: 'raw', limit };
}

function namesOfAggregates(reader: ParameterReader): string[] {
  const names = reader.many('agg').flatMap((value) => value.split(','));
  // Each once: a URL has room for thousands, and every one would be a column of its own while the answer is made.
  return [...new Set(names.map((name) => name.trim()))];
}

/**
 * What is asked of states, if that is what is asked. Neither has anything in common with the rows of other aggregates,
 * and intervals have nothing in common with buckets.
 */
function readStates(reader: ParameterReader): RangeQuery['states'] {
  const names = namesOfAggregates(reader);
  const as = STATE_AGGREGATES.find((candidate) => names.includes(candidate));
  if (as === undefined) return undefined;
  const others = as === 'intervals' ? ['width', 'step', 'points', 'fill'] : ['points'];
  const other = others.find((name) => reader.many(name).length > 0);
  const parameter = names.some((name) => name !== as) ? 'agg' : other;
  if (parameter === undefined) return as;
  const what = parameter === 'agg' ? 'other aggregates' : parameter;
  throw new TailraceError('conflicting_parameters', `agg: ${as} does not go with ${what}.`, {
    details: { parameter },
  });
}

function readAggregates(reader: ParameterReader): Aggregate[] {
  const names = namesOfAggregates(reader);
  return (names.length === 0 ? ['m4'] : names).map((name) => {
    const aggregate = AGGREGATES.find((candidate) => candidate === name);
    if (aggregate !== undefined) return aggregate;
    throw invalidParameter(
      'agg',
      `has to be of ${[...AGGREGATES, ...STATE_AGGREGATES].join(', ')}`,
    );
  });
}

/** The time zone, undefined for UTC. */
function readZone(reader: ParameterReader): string | undefined {
  // A plus that nobody escaped arrives as a space.
  const zone = reader.one('tz')?.replaceAll(' ', '+');
  if (zone === undefined || /^(Etc\/)?(UTC|GMT)$|^Z$/i.test(zone)) return undefined;
  if (isTimeZone(zone)) return zone;
  throw invalidParameter('tz', 'has to be a time zone, such as UTC, Europe/Oslo or +05:30');
}

/** How far a comparison looks back, in µs; longer than any record is refused. */
function readOffsetUs(reader: ParameterReader): number {
  const text = reader.one('offset');
  if (text === undefined) return 0;
  const ms = parseDuration(text.replace(/^-/, ''));
  if (ms === undefined || ms > OFFSET_MAX_MS) {
    throw invalidParameter(
      'offset',
      'has to be a length of time, such as 7d or -1h, of 100 years at most',
    );
  }
  return (text.startsWith('-') ? -ms : ms) * 1_000;
}

function refuseWithRaw(reader: ParameterReader, isRaw: boolean): void {
  const wrong = (isRaw ? ['agg', 'fill'] : ['limit', 'page']).find(
    (name) => reader.many(name).length > 0,
  );
  if (wrong === undefined) return;
  const why = isRaw ? 'is of buckets, and points=raw asks for none' : 'is of points=raw only';
  throw new TailraceError('conflicting_parameters', `${wrong}: ${why}`, {
    details: { parameter: wrong },
  });
}

/**
 * Reads a range's parameters.
 *
 * @throws TailraceError `missing_parameter`, `bad_parameter`, `conflicting_parameters`, `not_supported_yet`; each with
 *   the parameter's name in its details.
 */
export function readRangeQuery(reader: ParameterReader, nowUs: number): RangeQuery {
  const choice = readChoice(reader);
  const { startUs, endUs } = readDomain(reader, nowUs);
  const states = readStates(reader);
  const zone = readZone(reader);
  const resolution: Division =
    states === 'intervals'
      ? { kind: 'raw', limit: LIMIT_DEFAULT }
      : readResolution(reader, endUs - startUs, zone);
  refuseWithRaw(reader, resolution.kind === 'raw' && states === undefined);
  const index = oneOf(reader, 'index', ['time', 'depth']);
  if (index === 'depth') throw notSupportedYet('index', 'depth is not there yet');
  const format = oneOf(reader, 'format', FORMATS);
  return {
    choice,
    startUs,
    endUs,
    resolution,
    offsetUs: readOffsetUs(reader),
    aggregates: states === undefined ? readAggregates(reader) : [],
    states,
    fill: oneOf(reader, 'fill', FILLS) ?? 'none',
    limited: reader.one('limit') !== undefined,
    page: reader.one('page'),
    format,
    timeoutMs: readTimeoutMs(reader),
    explain: oneOf(reader, 'explain', ['0', '1']) === '1',
  };
}
