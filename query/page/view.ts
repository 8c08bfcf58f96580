// What is on the screen, as data: which series in which panes, which stretch of time, which theme. A view and the query
// of the page's URL say the same, so a URL that is pasted elsewhere shows the same screen.

export type Theme = 'system' | 'dark' | 'light';

export type Span =
  /** Follows the present. `spanMs` null shows everything there is. */
  | { readonly kind: 'live'; readonly spanMs: number | null }
  /** Half-open, ms since 1970 UTC. */
  | { readonly kind: 'fixed'; readonly startMs: number; readonly endMs: number };

/** Series of one pane, as `asset/channel`. */
type Pane = readonly string[];

export interface View {
  readonly panes: readonly Pane[];
  readonly span: Span;
  readonly theme: Theme;
}

export const PRESETS: readonly { label: string; name: string; spanMs: number | null }[] = [
  { label: '5 m', name: '5m', spanMs: 300_000 },
  { label: '15 m', name: '15m', spanMs: 900_000 },
  { label: '1 h', name: '1h', spanMs: 3_600_000 },
  { label: '6 h', name: '6h', spanMs: 21_600_000 },
  { label: '24 h', name: '24h', spanMs: 86_400_000 },
  { label: '7 d', name: '7d', spanMs: 604_800_000 },
  { label: 'All', name: 'all', spanMs: null },
];

export const DEFAULT_VIEW: View = {
  panes: [],
  span: { kind: 'live', spanMs: 900_000 },
  theme: 'system',
};

/** A view shows this many series at most: more lines than that are no chart. */
export const SERIES_MAX = 24;
const SPAN_LEAST_MS = 20;
const SPAN_MOST_MS = 40 * 365 * 86_400_000;
/** Before the name of a series that shares the pane of the one before it. */
const SAME_PANE = '~';

/** Reads a URL's query. What it does not say, or says wrongly, is as in `fallback`. */
export function parseView(query: string, fallback: View = DEFAULT_VIEW): View {
  const parameters = new URLSearchParams(query);
  const theme = parameters.get('theme');
  return {
    panes: parameters.has('s') ? parsePanes(parameters.getAll('s')) : fallback.panes,
    span: parseSpan(parameters) ?? fallback.span,
    theme: theme === 'dark' || theme === 'light' ? theme : fallback.theme,
  };
}

/** Writes a view as a URL's query, without the question mark. */
export function formatView(view: View): string {
  const parameters: string[] = [];
  for (const pane of view.panes) {
    pane.forEach((name, index) => {
      parameters.push(`s=${encodeName((index === 0 ? '' : SAME_PANE) + name)}`);
    });
  }
  if (view.span.kind === 'live') {
    parameters.push(`live=${formatDuration(view.span.spanMs)}`);
  } else {
    parameters.push(`start=${formatTime(view.span.startMs)}`, `end=${formatTime(view.span.endMs)}`);
  }
  if (view.theme !== 'system') parameters.push(`theme=${view.theme}`);
  return parameters.join('&');
}

/** All series of a view, in the order of its panes. */
export function seriesOf(view: View): string[] {
  return view.panes.flat();
}

/** Adds a series in a pane of its own, or in pane `into`; takes it away where it is shown already. */
export function toggleSeries(view: View, name: string, into?: number): View {
  if (seriesOf(view).includes(name)) {
    const panes = view.panes.map((pane) => pane.filter((other) => other !== name));
    return { ...view, panes: panes.filter((pane) => pane.length > 0) };
  }
  if (seriesOf(view).length >= SERIES_MAX) return view;
  if (into === undefined || view.panes[into] === undefined) {
    return { ...view, panes: [...view.panes, [name]] };
  }
  return {
    ...view,
    panes: view.panes.map((pane, index) => (index === into ? [...pane, name] : pane)),
  };
}

/** Joins pane `index` to the one above it. */
export function joinPane(view: View, index: number): View {
  const above = view.panes[index - 1];
  const pane = view.panes[index];
  if (above === undefined || pane === undefined) return view;
  const panes = [...view.panes];
  panes.splice(index - 1, 2, [...above, ...pane]);
  return { ...view, panes };
}

/** Gives every series of pane `index` a pane of its own. */
export function splitPane(view: View, index: number): View {
  return {
    ...view,
    panes: view.panes.flatMap((pane, at) => (at === index ? pane.map((name) => [name]) : [pane])),
  };
}

/** The window that a span means at `nowMs`; `firstMs` is the oldest reading there is. */
export function windowOf(
  span: Span,
  nowMs: number,
  firstMs: number | undefined,
): { startMs: number; endMs: number } {
  if (span.kind === 'fixed') return { startMs: span.startMs, endMs: span.endMs };
  const startMs = span.spanMs === null ? (firstMs ?? nowMs - 86_400_000) : nowMs - span.spanMs;
  return { startMs: Math.min(startMs, nowMs - SPAN_LEAST_MS), endMs: nowMs };
}

/** Moves a window by a part of its length; the future is no place to go. */
export function pan(window: { startMs: number; endMs: number }, part: number, nowMs: number): Span {
  const lengthMs = window.endMs - window.startMs;
  const endMs = Math.min(window.endMs + lengthMs * part, nowMs + lengthMs * 0.1);
  return fixed(endMs - lengthMs, endMs);
}

/** Makes a window longer (factor > 1) or shorter about a time. */
export function zoom(
  window: { startMs: number; endMs: number },
  factor: number,
  aboutMs: number,
  nowMs: number,
): Span {
  const startMs = aboutMs - (aboutMs - window.startMs) * factor;
  const endMs = Math.min(aboutMs + (window.endMs - aboutMs) * factor, Math.max(nowMs, aboutMs));
  return fixed(startMs, endMs);
}

/** A fixed span of a sensible length. */
export function fixed(startMs: number, endMs: number): Span {
  const middleMs = (startMs + endMs) / 2;
  const lengthMs = Math.min(Math.max(endMs - startMs, SPAN_LEAST_MS), SPAN_MOST_MS);
  const start = Math.round(middleMs - lengthMs / 2);
  return { kind: 'fixed', startMs: start, endMs: start + Math.round(lengthMs) };
}

function parsePanes(names: readonly string[]): Pane[] {
  const panes: string[][] = [];
  const seen = new Set<string>();
  for (const text of names) {
    const joins = text.startsWith(SAME_PANE);
    const name = joins ? text.slice(1) : text;
    if (!/^[^/]+\/.+/.test(name) || seen.has(name) || seen.size >= SERIES_MAX) continue;
    seen.add(name);
    const above = panes.at(-1);
    if (joins && above !== undefined) above.push(name);
    else panes.push([name]);
  }
  return panes;
}

function parseSpan(parameters: URLSearchParams): Span | undefined {
  const live = parameters.get('live');
  if (live !== null) {
    const spanMs = parseDuration(live);
    return spanMs === undefined ? undefined : { kind: 'live', spanMs };
  }
  const startMs = parseTime(parameters.get('start'));
  const endMs = parseTime(parameters.get('end'));
  if (startMs === undefined || endMs === undefined || endMs <= startMs) return undefined;
  return fixed(startMs, endMs);
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Reads `15m`; null for `all`, undefined for what is no duration. */
function parseDuration(text: string): number | null | undefined {
  if (text === 'all') return null;
  const parts = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  const spanMs = Number(parts?.[1]) * (UNITS_MS[parts?.[2] ?? ''] ?? Number.NaN);
  return spanMs >= SPAN_LEAST_MS && spanMs <= SPAN_MOST_MS ? spanMs : undefined;
}

function formatDuration(spanMs: number | null): string {
  const preset = PRESETS.find((candidate) => candidate.spanMs === spanMs);
  if (preset !== undefined) return preset.name;
  const whole = Object.entries(UNITS_MS).findLast(([, unitMs]) => (spanMs ?? 0) % unitMs === 0);
  return whole === undefined
    ? `${Math.round(spanMs ?? 0)}ms`
    : `${(spanMs ?? 0) / whole[1]}${whole[0]}`;
}

function parseTime(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  const ms = /^-?\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? ms : undefined;
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

/** Percent-encodes only what a query cannot hold, so that a URL can be read. */
function encodeName(name: string): string {
  return encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':');
}
