// The value axis of a pane: room around its lines, and no trembling while they grow.

export interface Scale {
  readonly low: number;
  readonly high: number;
}

/** Lines that hardly move are not blown up to noise: a pane shows at least this part of their size. */
const SPAN_LEAST_PART = 0.004;
const MARGIN = 0.1;
/** Lines may fill this little of a pane before it is fitted to them anew. */
const FILL_LEAST = 0.5;

/** The scale for values from `min` to `max`. `current` stays while it fits them well enough. */
export function fitScale(min: number, max: number, current: Scale | undefined): Scale {
  const span = Math.max(max - min, Math.max(Math.abs(min), Math.abs(max)) * SPAN_LEAST_PART, 1e-9);
  if (current !== undefined && min >= current.low && max <= current.high) {
    if (span >= (current.high - current.low) * FILL_LEAST) return current;
  }
  const middle = (min + max) / 2;
  const low = middle - span * (0.5 + MARGIN);
  // What is never negative stands on zero rather than above a stretch that means nothing.
  return { low: min >= 0 && low < 0 ? -span * 0.04 : low, high: middle + span * (0.5 + MARGIN) };
}
