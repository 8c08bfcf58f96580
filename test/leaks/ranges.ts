// Whether a range says exactly what may be said: every page of it, in every format, against the oracle.
import { expect } from 'vitest';
import { type Answer, ask, leaksOf } from './answers.ts';
import type { CallerName } from './callers.ts';
import {
  type Bucket,
  type Decision,
  hiddenFrom,
  m4Of,
  matching,
  shownBuckets,
  shownPoints,
} from './oracle.ts';
import type { KnownPoint, KnownSeries, World } from './world.ts';

type Format = 'json' | 'msgpack' | 'ndjson' | 'csv';

export interface RangeQuestion {
  readonly what: string;
  /** Parameters but `match`, `start`, `end` and `format`. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Step that these ask for; undefined for raw. */
  readonly stepMs?: number;
  readonly originMs?: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly selector?: Decision['selectors'][number];
  /** JSON unless said; first, where there are others. */
  readonly formats?: readonly Format[];
}

type Cell = number | string | null;
type Row = Readonly<Record<string, Cell>>;
/** Rows by series. */
type Rows = Map<number, Row[]>;

const TIMES = /^t(_|$)/;

function msOf(text: string): number {
  const [, seconds = '', fraction = ''] = /^(.{19})(\.\d+)?Z$/.exec(text) ?? [];
  return Math.round((Date.parse(`${seconds}Z`) + Number(`0${fraction}`) * 1_000) * 1_000) / 1_000;
}

function cellOf(name: string, text: string): Cell {
  if (text === '') return null;
  if (TIMES.test(name)) return msOf(text);
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** A row as it is in every format: without empty cells, and without the quality of what is good. */
function plain(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).filter(([name, cell]) => cell !== null && !(name === 'q' && cell === 0)),
  );
}

function* rowsOfCsv(text: string): Generator<[number, Row]> {
  const [header = '', ...lines] = text.trimEnd().split('\n');
  const names = header.split(',');
  for (const line of lines) {
    const cells = line.split(',');
    const row = Object.fromEntries(names.map((name, i) => [name, cellOf(name, cells[i] ?? '')]));
    const { series, asset: _a, channel: _c, ...rest } = row;
    yield [Number(series), plain(rest)];
  }
}

function* rowsOfNdjson(text: string): Generator<[number, Row]> {
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const { series, asset: _a, channel: _c, ...rest } = JSON.parse(line);
    yield [series, plain(rest)];
  }
}

function* rowsOfJson(body: Answer['json']): Generator<[number, Row]> {
  for (const { id, asset: _a, channel: _c, labels: _l, unit: _u, ...columns } of body.series) {
    const names = Object.keys(columns);
    for (const i of columns.t.keys()) {
      yield [id, plain(Object.fromEntries(names.map((name) => [name, columns[name][i]])))];
    }
  }
}

function rowsIn(format: Format, answer: Answer) {
  if (format === 'csv') return rowsOfCsv(answer.text);
  return format === 'ndjson' ? rowsOfNdjson(answer.text) : rowsOfJson(answer.json);
}

function nextOf(answer: Answer, path: string): string | undefined {
  const link = /<(.*)>; rel="next"/.exec(answer.headers.link ?? '')?.[1];
  if (answer.json?.next === undefined) return link;
  return `${path}&page=${encodeURIComponent(answer.json.next)}`;
}

/** Asks for a range in one format, page after page; each page is looked through for what is hidden. */
async function readPages(
  world: World,
  name: CallerName,
  path: string,
  decision: Decision,
  format: Format,
) {
  const hidden = hiddenFrom(decision, world.series, world.nowMs);
  const { max_points: max = Number.POSITIVE_INFINITY } = decision.obligations;
  const rows: Rows = new Map();
  let first: Answer | undefined;
  for (let next: string | undefined = path; next !== undefined; ) {
    const answer = await ask(world, name, next);
    first ??= answer;
    expect(leaksOf(answer, hidden, next), next).toEqual([]);
    if (answer.status !== 200) break;
    const page = [...rowsIn(format, answer)];
    expect(page.length, `points of ${next}`).toBeLessThanOrEqual(max);
    for (const [id, row] of page) rows.set(id, [...(rows.get(id) ?? []), row]);
    next = nextOf(answer, path);
  }
  return { first: first!, rows };
}

const rawRow = ({ t, v, q }: KnownPoint): Row => (q === 0 ? { t, v } : { t, v, q });

/** What a bucket says, by the aggregates that were asked for. */
function bucketRow({ start, points }: Bucket, aggregates: readonly string[]): Row {
  const [first, last, min, max] = m4Of(points).map(({ t, v }) => ({ t, v }));
  const row: Record<string, Cell> = { t: start };
  const values = points.map(({ v }) => Number(v));
  const sum = values.reduce((all, one) => all + one, 0);
  const isNumber = typeof first?.v === 'number';
  const statistics = { count: points.length, sum, mean: sum / points.length };
  for (const aggregate of aggregates) {
    if (aggregate === 'm4') {
      Object.assign(row, { first: first?.v, t_first: first?.t, last: last?.v, t_last: last?.t });
      if (isNumber) Object.assign(row, { min: min?.v, t_min: min?.t, max: max?.v, t_max: max?.t });
    } else if (isNumber || aggregate === 'count') {
      row[aggregate] = statistics[aggregate as keyof typeof statistics];
    }
  }
  return row;
}

function expectedRows(
  decision: Decision,
  series: KnownSeries,
  world: World,
  question: RangeQuestion,
  stepMs: number | null,
) {
  const { startMs, endMs, parameters, originMs = 0 } = question;
  if (stepMs === null) {
    const points = shownPoints(decision, series, world.nowMs);
    return points.filter(({ t }) => t >= startMs && t < endMs).map(rawRow);
  }
  const { finest_step_ms: finest = 1 } = decision.obligations;
  const step = { stepMs, originMs: Math.floor(originMs / finest) * finest };
  const aggregates = (parameters.agg ?? 'm4').split(',');
  return shownBuckets(decision, series, world.nowMs, step)
    .filter(({ start }) => start < endMs && start + stepMs > startMs)
    .map((bucket) => bucketRow(bucket, aggregates));
}

function near(rows: readonly Row[]) {
  // Sums are added in another order, which may show in the last digits.
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, cell]) => [
        name,
        name === 'sum' || name === 'mean' ? expect.closeTo(Number(cell), 0) : cell,
      ]),
    ),
  );
}

function checkStep(decision: Decision, question: RangeQuestion, stepMs: number | null): void {
  const { finest_step_ms: finest, max_points: max } = decision.obligations;
  if (finest === undefined && (stepMs === null || max === undefined)) {
    expect(stepMs).toBe(question.stepMs ?? null);
    return;
  }
  expect((stepMs ?? Number.NaN) % (finest ?? 1), `${stepMs} ms`).toBe(0);
  expect(stepMs).toBeGreaterThanOrEqual(question.stepMs ?? 0);
}

function checkRefusal(first: Answer, decision: Decision, count: number, isRaw: boolean): boolean {
  const {
    max_series: series = count,
    max_points: points = count,
    finest_step_ms: finest,
  } = decision.obligations;
  const isOver = count > series || (count > points && (!isRaw || finest !== undefined));
  if (decision.allow && !isOver) return false;
  expect([first.status, first.json.code]).toEqual([403, 'forbidden']);
  return true;
}

/** Asks one question in each of its formats. Gives the levels that served it. */
export async function checkRange(
  world: World,
  name: CallerName,
  question: RangeQuestion,
): Promise<readonly string[]> {
  const { startMs, endMs, selector = [], parameters, formats = ['json'] } = question;
  const decision = await world.decisionFor(name, 'range');
  const chosen = matching(decision, world.series, selector);
  const match = `{${selector.map(({ label, op, value }) => `${label}${op}"${value}"`).join(',')}}`;
  const query = { match, start: `${startMs / 1_000}`, end: `${endMs / 1_000}`, ...parameters };
  const levels = new Set<string>();
  let stepMs: number | null = null;
  for (const format of formats) {
    const path = `/v1/range?${new URLSearchParams({ ...query, format })}`;
    const { first, rows } = await readPages(world, name, path, decision, format);
    const isRaw = question.stepMs === undefined;
    if (checkRefusal(first, decision, chosen.length, isRaw)) continue;
    expect(first.status, first.text.slice(0, 300)).toBe(200);
    if (first.json !== undefined) {
      stepMs = first.json.range.step_ms;
      checkStep(decision, question, stepMs);
      expect(first.json.policy.obligations).toEqual(decision.obligations);
      for (const { level } of first.json.range.segments) levels.add(level);
      checkHeads(first, chosen);
    }
    for (const one of chosen) {
      const expected = expectedRows(decision, one, world, question, stepMs);
      // Rows that are the same to the byte need no assertion, which takes its time over thousands.
      if (JSON.stringify(rows.get(one.id) ?? []) === JSON.stringify(expected)) continue;
      expect(rows.get(one.id) ?? [], `${path} of ${one.asset}/${one.channel}`).toEqual(
        near(expected),
      );
    }
    expect([...rows.keys()].filter((id) => !chosen.some((one) => one.id === id))).toEqual([]);
  }
  return [...levels];
}

/** Series of an answer are those that may be seen, and say of themselves what may be said. */
function checkHeads({ json }: Answer, chosen: readonly KnownSeries[]): void {
  for (const { id, asset, channel, labels, unit } of json.series) {
    expect(chosen).toContainEqual(expect.objectContaining({ id, asset, channel, labels, unit }));
  }
}
