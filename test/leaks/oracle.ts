// What a decision means, said the plainest way: loops over all points. Nothing of the server's own reading is used here.
import type { Grant } from '../../policies/grant.ts';
import type { KnownPoint, KnownSeries } from './world.ts';

/** A decision's JSON, as far as it says what may be seen. */
export type Decision = Pick<Grant, 'allow' | 'tenant' | 'selectors' | 'obligations'>;

function labelOf(series: KnownSeries, label: string): string {
  if (label === 'asset') return series.asset;
  if (label === 'channel') return series.channel;
  if (label === 'unit') return series.unit ?? '';
  return series.labels[label] ?? '';
}

function matches(series: KnownSeries, selector: Decision['selectors'][number]): boolean {
  for (const { label, op, value } of selector) {
    const is = labelOf(series, label);
    const same = op.endsWith('~') ? new RegExp(`^(?:${value})$`, 's').test(is) : is === value;
    if (same !== (op === '=' || op === '=~')) return false;
  }
  return true;
}

/** The series that may be known of, with what of them may be shown. */
export function visible(decision: Decision, all: readonly KnownSeries[]): KnownSeries[] {
  const found: KnownSeries[] = [];
  const { redact = [] } = decision.obligations;
  for (const series of all) {
    if (!decision.allow || series.tenant !== decision.tenant) continue;
    if (!decision.selectors.some((selector) => matches(series, selector))) continue;
    found.push({
      ...series,
      asset: redact.includes('asset') ? '' : series.asset,
      channel: redact.includes('channel') ? '' : series.channel,
      unit: redact.includes('unit') ? null : series.unit,
      labels: Object.fromEntries(
        Object.entries(series.labels).filter(([label]) => !redact.includes(label)),
      ),
    });
  }
  return found;
}

/** The visible series that a selector finds, read as if nothing but what is shown were there. */
export function matching(
  decision: Decision,
  all: readonly KnownSeries[],
  selector: Decision['selectors'][number],
): KnownSeries[] {
  return visible(decision, all).filter((series) => matches(series, selector));
}

/** Whether a bucket, or a point as one of no length, may be shown at all. */
function isInside(decision: Decision, fromMs: number, untilMs: number, nowMs: number): boolean {
  const { lookback_ms: lookback, delay_ms: delay = 0 } = decision.obligations;
  if (lookback !== undefined && fromMs < nowMs - lookback) return false;
  if (delay > 0 && untilMs > nowMs - delay) return false;
  return true;
}

/** The points that may be shown as points. */
export function shownPoints(
  decision: Decision,
  { points }: KnownSeries,
  nowMs: number,
): KnownPoint[] {
  if (decision.obligations.finest_step_ms !== undefined) return [];
  const { delay_ms: delay = 0 } = decision.obligations;
  return points.filter(
    // Until is excluded: a point at the very delay is not older than it.
    ({ t }) => isInside(decision, t, t, nowMs) && (delay === 0 || t < nowMs - delay),
  );
}

export interface Bucket {
  readonly start: number;
  readonly points: readonly KnownPoint[];
}

/** The buckets that may be shown, of a step that starts its buckets at `originMs`. */
export function shownBuckets(
  decision: Decision,
  { points }: KnownSeries,
  nowMs: number,
  { stepMs, originMs }: { stepMs: number; originMs: number },
): Bucket[] {
  const byStart = new Map<number, KnownPoint[]>();
  for (const point of points) {
    const start = Math.floor((point.t - originMs) / stepMs) * stepMs + originMs;
    const inside = byStart.get(start) ?? [];
    inside.push(point);
    byStart.set(start, inside);
  }
  const buckets = Array.from(byStart, ([start, inside]) => ({ start, points: inside }));
  return buckets.filter(({ start }) => isInside(decision, start, start + stepMs, nowMs));
}

/** Points of a series that may come to light in any answer: all that may be shown, or what a finest bucket shows. */
export function seenPoints(decision: Decision, series: KnownSeries, nowMs: number): KnownPoint[] {
  const { finest_step_ms: finest } = decision.obligations;
  if (finest === undefined) return shownPoints(decision, series, nowMs);
  const step = { stepMs: finest, originMs: 0 };
  return shownBuckets(decision, series, nowMs, step).flatMap(({ points }) => m4Of(points));
}

/** First, last, least and greatest of some points, in order of time. */
export function m4Of(points: readonly KnownPoint[]): KnownPoint[] {
  const [first, last] = [points[0]!, points.at(-1)!];
  if (typeof first.v === 'string') return [first, last];
  const values = points.map(({ v }) => Number(v));
  const at = (value: number) => points[values.indexOf(value)]!;
  return [first, last, at(Math.min(...values)), at(Math.max(...values))];
}

function textsOf({ asset, channel, unit, labels }: KnownSeries): string[] {
  return [asset, channel, unit ?? '', ...Object.entries(labels).flat()].filter(
    (text) => text !== '',
  );
}

export interface Hidden {
  /** Names, labels and their values. */
  readonly texts: readonly string[];
  /** Values of states. */
  readonly states: ReadonlySet<string>;
  /** Values and times in ms. */
  readonly numbers: ReadonlySet<number>;
  /** Ids of series. */
  readonly ids: ReadonlySet<number>;
}

const remembered = new WeakMap<readonly KnownSeries[], Map<string, Hidden>>();

/** Everything that must not be in any answer to this decision. */
export function hiddenFrom(decision: Decision, all: readonly KnownSeries[], nowMs: number): Hidden {
  const { allow, tenant, selectors, obligations } = decision;
  const generation = all.map(({ points }) => points.length);
  const key = JSON.stringify([allow, tenant, selectors, obligations, nowMs, generation]);
  const known = remembered.get(all) ?? new Map<string, Hidden>();
  remembered.set(all, known);
  const hidden = known.get(key) ?? computeHidden(decision, all, nowMs);
  known.set(key, hidden);
  return hidden;
}

function computeHidden(decision: Decision, all: readonly KnownSeries[], nowMs: number): Hidden {
  const seen = visible(decision, all);
  const shownTexts = new Set(seen.flatMap(textsOf));
  const shownValues = new Set<number | string>();
  for (const one of seen) {
    for (const { t, v } of seenPoints(decision, one, nowMs)) shownValues.add(t).add(v);
  }
  const numbers = new Set<number>();
  const states = new Set<string>();
  const texts = new Set(all.flatMap(textsOf).filter((text) => !shownTexts.has(text)));
  for (const { t, v } of all.flatMap(({ points }) => points)) {
    if (!shownValues.has(t)) numbers.add(t);
    if (shownValues.has(v)) continue;
    if (typeof v === 'number') numbers.add(v);
    else states.add(v);
  }
  const shownIds = new Set(seen.map(({ id }) => id));
  const ids = new Set(all.map(({ id }) => id).filter((id) => !shownIds.has(id)));
  // A name may stand within another that is shown, as `activity` in `activity/plover`; and obligations are told.
  const shown = [...shownTexts, JSON.stringify(decision.obligations)].join('\n');
  return { texts: [...texts].filter((text) => !shown.includes(text)), states, numbers, ids };
}
