// The demo's past: which stretches are missing at the start, cut so that the newest is written first and a page that is
// opened at once is full at once.

/** Half-open, ms since 1970 UTC. */
interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What is in the database already: the oldest and the newest reading of a source. */
export interface Known {
  readonly firstMs: number;
  readonly lastMs: number;
}

/** A source of history: how far back it goes. */
export interface HistorySource {
  readonly asset: string;
  readonly spanMs: number;
}

export interface HistoryPiece extends Stretch {
  readonly asset: string;
}

const MINUTE_MS = 60_000;
/** Pieces get longer the older they are: the page opens on the last minutes. */
const PIECE_ENDS_MS = [5, 15, 30, 60, 120, 180, 240, 300, 360].map(
  (minutes) => minutes * MINUTE_MS,
);

/** What is missing of the last `spanMs`: all of it, or what is older and what is newer than the readings there are. */
function missing(nowMs: number, spanMs: number, known: Known | undefined): Stretch[] {
  const oldestMs = nowMs - spanMs;
  if (known === undefined) return [{ fromMs: oldestMs, toMs: nowMs }];
  const stretches = [
    { fromMs: Math.max(oldestMs, known.lastMs + 1), toMs: nowMs },
    { fromMs: oldestMs, toMs: Math.min(nowMs, known.firstMs) },
  ];
  return stretches.filter((stretch) => stretch.fromMs < stretch.toMs);
}

/** Everything that is missing of every source, in pieces, the newest first. */
export function planHistory(
  nowMs: number,
  sources: readonly HistorySource[],
  known: ReadonlyMap<string, Known>,
): HistoryPiece[] {
  const pieces: HistoryPiece[] = [];
  for (const { asset, spanMs } of sources) {
    for (const stretch of missing(nowMs, spanMs, known.get(asset))) {
      for (const part of cut(nowMs, stretch)) pieces.push({ asset, ...part });
    }
  }
  return pieces.sort((a, b) => b.toMs - a.toMs);
}

function cut(nowMs: number, stretch: Stretch): Stretch[] {
  const parts: Stretch[] = [];
  let toMs = stretch.toMs;
  for (const ageMs of [...PIECE_ENDS_MS, Number.POSITIVE_INFINITY]) {
    const fromMs = Math.max(stretch.fromMs, nowMs - ageMs);
    if (fromMs >= toMs) continue;
    parts.push({ fromMs, toMs });
    toMs = fromMs;
  }
  return parts;
}
