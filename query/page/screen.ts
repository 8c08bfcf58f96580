// All panes above one another, with the ruler of time below them.
import { axisWidth, type Chart, type ChartEvents, type ChartWindow, createChart } from './chart.ts';
import { byId, isNarrow, setText } from './dom.ts';
import { formatDay, formatInstant } from './format.ts';
import type { Lines } from './lines.ts';
import { createPane, type Now, type Pane, type PaneActions, type PaneSeries } from './pane.ts';
import { createStateColors, type Palette } from './theme.ts';

export interface ScreenOptions {
  readonly lines: Lines;
  readonly palette: () => Palette;
  readonly events: Pick<ChartEvents, 'zoom' | 'pan'>;
  readonly actions: PaneActions;
}

export interface Screen {
  /** Builds the panes but those that stand there already: a drag outlives news of other panes' series. */
  layout(panes: readonly (readonly PaneSeries[])[]): void;
  draw(window: ChartWindow, now: Now): void;
  /** Moves the crosshair to a time, as the pointer would; undefined takes it away. */
  point(timeMs: number | undefined): void;
  readonly pointedMs: number | undefined;
  /** Width of the plots in pixels of the device: what a range is asked for. */
  width(): number;
  /** A line of text in the ruler's corner. */
  caption(text: string): void;
}

const RULER_HEIGHT = 30;
const LANE_HEIGHT = 70;
/** Below the bands of a lane; as in charts.css. */
const LEGEND_HEIGHT = 24;
const PANE_HEIGHT_LEAST = 68;
/** Beside a pane's rows: the track's padding, and between two of them its gap; as in charts.css. */
const TRACK_PADDING = 8;
const ROW_GAP = 2;

/** Takes the page's chart area. */
export function createScreen(options: ScreenOptions): Screen {
  const area = byId('panes');
  const rulerHost = byId('ruler-plot');
  const pill = byId('pill');
  const spoken = byId('spoken');
  const stateColors = createStateColors();
  let panes: Pane[] = [];
  /** Identities of the panes. */
  let shown: readonly string[] = [];
  let drawn: { window: ChartWindow; now: Now } | undefined;
  let pointedMs: number | undefined;

  const events: ChartEvents = { ...options.events, hover };
  const ruler = createChart({
    host: rulerHost,
    kind: 'ruler',
    palette: options.palette,
    events,
    paint: () => undefined,
  });
  new ResizeObserver(arrange).observe(byId('charts'));

  function hover(timeMs: number | undefined): void {
    pointedMs = timeMs;
    read();
  }

  function read(): void {
    if (drawn === undefined) return;
    for (const pane of panes) pane.read(pointedMs, drawn.window, drawn.now.isLive);
    pill.hidden = pointedMs === undefined;
    if (pointedMs !== undefined) {
      setText(pill, formatInstant(pointedMs));
      const { left } = ruler.place(pointedMs, 0);
      const most = ruler.over.clientWidth - pill.offsetWidth / 2;
      const middle = Math.min(Math.max(left, pill.offsetWidth / 2), most);
      pill.style.transform = `translateX(calc(${axisWidth() + middle}px - 50%))`;
    }
  }

  function arrange(): void {
    sizeChart(ruler, rulerHost, RULER_HEIGHT);
    const heights = share(panes, area.clientHeight);
    panes.forEach(({ element }, index) => {
      element.style.height = `${heights[index] ?? PANE_HEIGHT_LEAST}px`;
    });
    for (const { chart, kind, element } of panes) {
      const host = element.querySelector('.plot');
      const legend = kind === 'lane' ? LEGEND_HEIGHT : 0;
      sizeChart(chart, host, (host?.clientHeight ?? 0) - legend);
    }
    if (drawn !== undefined) screen.draw(drawn.window, drawn.now);
  }

  const screen: Screen = {
    layout(models) {
      const palette = options.palette();
      const wanted = models.map((series, index) => identity(series, index, palette));
      if (wanted.join('\n') === shown.join('\n')) return;
      const before = panes;
      panes = models.map((series, index) => {
        const there = shown[index] === wanted[index] ? before[index] : undefined;
        return there ?? createPane({ ...options, stateColors, index, series, events });
      });
      for (const pane of before) if (!panes.includes(pane)) pane.destroy();
      placeAll(area, panes);
      shown = wanted;
      byId('ruler').hidden = panes.length === 0;
      // Whichever pane the pointer is over tells so again when it moves.
      pointedMs = undefined;
      arrange();
    },
    draw(window, now) {
      drawn = { window, now };
      for (const pane of panes) pane.draw(window, now);
      ruler.draw(window, { low: 0, high: 1 });
      setText(byId('ruler-day'), formatDay(window.endMs));
      read();
    },
    point(timeMs) {
      (panes[0]?.chart ?? ruler).point(timeMs);
      hover(timeMs);
      setText(spoken, timeMs === undefined ? '' : speak(panes, timeMs));
    },
    get pointedMs() {
      return pointedMs;
    },
    width: () => Math.max(50, Math.round(ruler.over.clientWidth * window.devicePixelRatio)),
    caption: (text) => setText(byId('caption'), text),
  };
  return screen;
}

/** Puts the panes in their order; one that is moved loses the pointer, so those that stand right stay. */
function placeAll(area: HTMLElement, panes: readonly Pane[]): void {
  panes.forEach(({ element }, index) => {
    const there = area.children[index];
    if (there !== element) area.insertBefore(element, there ?? null);
  });
}

/** What a pane is built from, as one line; a series' newest reading is not part of it. */
function identity(pane: readonly PaneSeries[], index: number, palette: Palette): string {
  const series = pane.map(({ info, ...rest }) => ({ ...rest, id: info?.id, kind: info?.kind }));
  return JSON.stringify({ index, series, palette });
}

function speak(panes: readonly Pane[], timeMs: number): string {
  return `${formatInstant(timeMs)}: ${panes.map((pane) => pane.speak(timeMs)).join(', ')}`;
}

function sizeChart(chart: Chart, host: Element | null, height: number): void {
  if (host !== null && host.clientWidth > 0) chart.resize(host.clientWidth, height);
}

/** Heights of panes: lanes are low, the others share the room, and a pane is never lower than its rows of values. */
function share(panes: readonly Pane[], room: number): number[] {
  const least = panes.map(leastHeight);
  const isPlot = (index: number): boolean => panes[index]?.kind === 'plot';
  const lanes = least.reduce((sum, height, index) => sum + (isPlot(index) ? 0 : height), 0);
  const plots = panes.filter(({ kind }) => kind === 'plot').length;
  const each = Math.floor((room - lanes) / Math.max(1, plots));
  return least.map((height, index) => (isPlot(index) ? Math.max(height, each) : height));
}

function leastHeight({ kind, element }: Pane): number {
  const plot = kind === 'lane' ? LANE_HEIGHT : PANE_HEIGHT_LEAST;
  let rows = TRACK_PADDING;
  for (const row of element.querySelectorAll<HTMLElement>('.row')) {
    rows += row.offsetHeight + ROW_GAP;
  }
  return isNarrow() ? rows + plot : Math.max(rows, plot);
}
