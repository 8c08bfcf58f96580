// One pane's chart: uPlot for scales, axes, grid, crosshair and drag; the lines are drawn by draw.ts straight from the
// traces, so that series with different times share a pane without being aligned first.
import uPlot from 'uplot';
import { isNarrow } from './dom.ts';
import type { Plot } from './draw.ts';
import { decimalsOfStep, formatTick, formatValue } from './format.ts';
import type { Palette } from './theme.ts';

export interface ChartWindow {
  readonly startMs: number;
  readonly endMs: number;
}

export interface ChartEvents {
  /** The pointer is over this time; undefined when it left. */
  hover(timeMs: number | undefined): void;
  /** A stretch was dragged over. */
  zoom(window: ChartWindow): void;
  /** The plot was dragged with shift held, by a part of its length since the last call. */
  pan(part: number): void;
}

export interface ChartOptions {
  readonly host: HTMLElement;
  /** `ruler` has a time axis and no values, `lane` neither, `plot` values only. */
  readonly kind: 'plot' | 'lane' | 'ruler';
  readonly palette: () => Palette;
  readonly events: ChartEvents;
  /** Draws the content, clipped to the plot. */
  readonly paint: (ctx: CanvasRenderingContext2D, plot: Plot) => void;
}

export interface Chart {
  resize(width: number, height: number): void;
  draw(window: ChartWindow, values: { low: number; high: number }): void;
  /** Puts the crosshair of all charts at a time. */
  point(timeMs: number | undefined): void;
  /** Distance of a time and of a value from the plot's left and upper edge, in CSS pixels. */
  place(timeMs: number, value: number): { left: number; top: number };
  readonly over: HTMLElement;
  destroy(): void;
}

/** Room for the labels of the value axis, the same in all panes, so that their times stand below one another. */
export function axisWidth(): number {
  return isNarrow() ? 46 : 64;
}

const RIGHT_MARGIN = 14;
const LABEL_HALF = 7;
const FONT = '11px -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Arial, sans-serif';

/** Makes a chart in its host. */
export function createChart(options: ChartOptions): Chart {
  const { host, kind, events } = options;
  const plot = new uPlot(
    uplotOptions(options),
    [
      [0, 1],
      [0, 1],
    ],
    host,
  );
  const panning = shiftDrag(plot, events);

  return {
    over: plot.over,
    resize(width, height) {
      if (plot.width !== width || plot.height !== height) plot.setSize({ width, height });
    },
    draw({ startMs, endMs }, { low, high }) {
      plot.batch(() => {
        plot.setScale('x', { min: startMs, max: endMs });
        plot.setScale('y', { min: low, max: high });
      });
    },
    point(timeMs) {
      const left = timeMs === undefined ? -10 : plot.valToPos(timeMs, 'x');
      plot.setCursor({ left, top: kind === 'ruler' ? 1 : 10 });
    },
    place: (timeMs, value) => ({
      left: plot.valToPos(timeMs, 'x'),
      top: plot.valToPos(value, 'y'),
    }),
    destroy() {
      panning.end();
      plot.destroy();
    },
  };
}

function uplotOptions({ kind, palette, events, paint }: ChartOptions): uPlot.Options {
  return {
    width: 400,
    height: 100,
    ms: 1,
    legend: { show: false },
    padding: [kind === 'lane' ? 5 : 0, RIGHT_MARGIN, kind === 'lane' ? 5 : 0, 0],
    cursor: {
      y: false,
      points: { show: false },
      sync: { key: 'time', scales: ['x', null], setSeries: false },
      drag: { x: true, y: false, setScale: false, dist: 5 },
      bind: {
        mousedown: (_self, _target, handler) => (event) => (event.shiftKey ? null : handler(event)),
        dblclick: () => null,
      },
    },
    scales: {
      x: { time: true, auto: false },
      y: { auto: false },
    },
    series: [{}, { paths: () => null, points: { show: false } }],
    axes: [timeAxis(kind, palette), valueAxis(kind, palette)],
    hooks: {
      draw: [(self) => paintClipped(self, paint)],
      setCursor: [
        (self) => {
          // Only the chart under the pointer has an event; the others follow it.
          if (self.cursor.event === undefined || self.cursor.event === null) return;
          const left = self.cursor.left ?? -1;
          events.hover(left < 0 ? undefined : self.posToVal(left, 'x'));
        },
      ],
      setSelect: [(self) => selected(self, events)],
    },
  };
}

function timeAxis(kind: ChartOptions['kind'], palette: () => Palette): uPlot.Axis {
  const shown = kind === 'ruler';
  return {
    size: shown ? 26 : 0,
    gap: shown ? 4 : 0,
    space: 88,
    font: FONT,
    stroke: () => palette().muted,
    grid: { show: kind !== 'lane', stroke: () => palette().grid, width: 1 },
    ticks: { show: shown, stroke: () => palette().grid, size: 4 },
    values: (_self, splits, _axis, _space, stepMs) =>
      splits.map((time) => (shown ? formatTick(time, stepMs) : '')),
  };
}

function valueAxis(kind: ChartOptions['kind'], palette: () => Palette): uPlot.Axis {
  return {
    size: axisWidth,
    gap: 6,
    // A tall pane does not want more labels than a reader does.
    space: (_self, _axis, _low, _high, length) => Math.max(26, length / 8),
    font: FONT,
    stroke: () => palette().muted,
    grid: { show: kind === 'plot', stroke: () => palette().grid, width: 1 },
    ticks: { show: false },
    values: (self, splits, _axis, _space, step) =>
      splits.map((value) =>
        kind === 'plot' && hasRoom(self, value) ? formatValue(value, decimalsOfStep(step)) : '',
      ),
  };
}

/** Panes stand close: a label at a pane's edge would be cut in half. */
function hasRoom(self: uPlot, value: number): boolean {
  const top = self.valToPos(value, 'y');
  return top >= LABEL_HALF && top <= self.over.clientHeight - LABEL_HALF;
}

function paintClipped(self: uPlot, paint: ChartOptions['paint']): void {
  const { ctx, bbox, scales } = self;
  const { x, y } = scales;
  if (x?.min == null || x.max == null || y?.min == null || y.max == null) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 2, bbox.width + 6, bbox.height + 4);
  ctx.clip();
  paint(ctx, {
    left: bbox.left,
    top: bbox.top,
    width: bbox.width,
    height: bbox.height,
    startMs: x.min,
    endMs: x.max,
    low: y.min,
    high: y.max,
  });
  ctx.restore();
}

function selected(self: uPlot, events: ChartEvents): void {
  const { left, width } = self.select;
  // A selection is echoed to every chart; only the one it was made in answers.
  if (width < 5 || !self.cursor.event) return;
  const window = { startMs: self.posToVal(left, 'x'), endMs: self.posToVal(left + width, 'x') };
  for (const other of uPlot.sync('time').plots) {
    other.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }
  events.zoom(window);
}

/** Dragging with shift held moves the window, which uPlot does not know. */
function shiftDrag(plot: uPlot, events: ChartEvents): { end(): void } {
  let fromX: number | undefined;
  const down = (event: PointerEvent): void => {
    if (!event.shiftKey || event.button !== 0) return;
    fromX = event.clientX;
    plot.over.setPointerCapture(event.pointerId);
    plot.over.classList.add('panning');
  };
  const move = (event: PointerEvent): void => {
    if (fromX === undefined) return;
    events.pan((fromX - event.clientX) / plot.over.clientWidth);
    fromX = event.clientX;
  };
  const up = (): void => {
    fromX = undefined;
    plot.over.classList.remove('panning');
  };
  plot.over.addEventListener('pointerdown', down);
  plot.over.addEventListener('pointermove', move);
  plot.over.addEventListener('pointerup', up);
  plot.over.addEventListener('pointercancel', up);
  return {
    end() {
      plot.over.removeEventListener('pointerdown', down);
      plot.over.removeEventListener('pointermove', move);
      plot.over.removeEventListener('pointerup', up);
      plot.over.removeEventListener('pointercancel', up);
    },
  };
}
