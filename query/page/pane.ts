// One pane: the track on the left with names and values, the plot on the right.
import { type Chart, type ChartEvents, type ChartWindow, createChart } from './chart.ts';
import { cuttable, el, setText } from './dom.ts';
import { drawBand, drawHead, drawLine, drawUnknown, type Plot } from './draw.ts';
import { decimalsFor, formatLength, formatState, formatValue } from './format.ts';
import { createLane, type Lane, lengthOf } from './lane.ts';
import type { Lines } from './lines.ts';
import { fitScale, type Scale } from './scale.ts';
import { emptyStates, heldAt, type StateTrace } from './states.ts';
import { type Palette, type StateColors, seriesColor } from './theme.ts';
import type { Title } from './titles.ts';
import { extent, indexAtOrBefore, indexClosest } from './trace.ts';
import type { SeriesInfo } from './wire.ts';

/** A series of a pane. `info` is undefined where there is none of that name that this caller may see. */
export interface PaneSeries {
  readonly title: Title;
  readonly info: SeriesInfo | undefined;
  readonly unit: string;
  /** Place among all series of the screen, for its colour. */
  readonly order: number;
  readonly note: string | undefined;
}

export interface PaneActions {
  remove(name: string): void;
  join(index: number): void;
  split(index: number): void;
}

export interface PaneOptions {
  readonly index: number;
  readonly series: readonly PaneSeries[];
  readonly lines: Lines;
  readonly palette: () => Palette;
  readonly stateColors: StateColors;
  readonly events: ChartEvents;
  readonly actions: PaneActions;
}

/** What a window has to do with the present. */
export interface Now {
  readonly isLive: boolean;
  /** Readings since then are missing; undefined where none are. */
  readonly wholeUntilMs: number | undefined;
}

export interface Pane {
  readonly element: HTMLElement;
  readonly chart: Chart;
  readonly kind: 'plot' | 'lane';
  draw(window: ChartWindow, now: Now): void;
  /** Shows the values at a time, or the newest ones. */
  read(timeMs: number | undefined, window: ChartWindow, live: boolean): void;
  /** Text of the values at a time, for those who hear the page. */
  speak(timeMs: number): string;
  destroy(): void;
}

/** The crosshair reads the end of a line from this far. */
const REACH_PX = 12;
/** A value this old is no longer the present. */
const OLD_AFTER_MS = 30_000;

interface Row {
  readonly series: PaneSeries;
  readonly element: HTMLElement;
  readonly value: HTMLElement;
  readonly age: HTMLElement;
  readonly dot: HTMLElement;
}

/** Makes a pane. A pane without numbers is a lane. */
export function createPane(options: PaneOptions): Pane {
  const { series, lines, palette } = options;
  const kind = series.some(({ info }) => info?.kind === 'number') ? 'plot' : 'lane';
  const lane = kind === 'lane' ? laneOf(options) : undefined;
  const plotHost = el('div', { class: 'plot' });
  const rows = series.map((one) => createRow(one, palette, options.actions));
  const track = el(
    'div',
    { class: 'track' },
    ...rows.map(({ element }) => element),
    tools(options),
  );
  const element = el(
    'section',
    { class: `pane ${kind}`, 'aria-label': labelOf(series) },
    track,
    plotHost,
  );
  let scale: Scale | undefined;
  let decimals = 1;
  let now: Now = { isLive: false, wholeUntilMs: undefined };

  const chart = createChart({
    host: plotHost,
    kind,
    palette,
    events: options.events,
    paint(ctx, plot) {
      if (lane === undefined) paintLines(ctx, plot);
      else lane.paint(ctx, plot, knownUntil(plot.endMs, now));
      if (!now.isLive || now.wholeUntilMs === undefined) return;
      const style = { color: palette().unknown, ratio: window.devicePixelRatio };
      drawUnknown(ctx, plot, now.wholeUntilMs, style);
    },
  });
  for (const { dot } of rows) chart.over.append(dot);
  if (lane !== undefined) {
    chart.over.append(...lane.over);
    plotHost.append(lane.legend);
  }

  function paintLines(ctx: CanvasRenderingContext2D, plot: Plot): void {
    const ratio = window.devicePixelRatio;
    const drawn = series.filter(({ info }) => info?.kind === 'number');
    for (const { info, order } of drawn) {
      if (info) drawBand(ctx, plot, lines.trace(info.id), seriesColor(palette(), order));
    }
    for (const { info, order } of drawn) {
      if (!info) continue;
      const color = seriesColor(palette(), order);
      drawLine(ctx, plot, lines.trace(info.id), { color, width: 1.4 * ratio });
      if (now.isLive) drawHead(ctx, plot, lines.trace(info.id), { color, radius: 2.5 * ratio });
    }
  }

  return {
    element,
    chart,
    kind,
    draw(window, isNow) {
      now = isNow;
      const within = extentOf(series, lines, window);
      if (within !== undefined) {
        scale = fitScale(within.min, within.max, scale);
        decimals = decimalsFor(scale.high - scale.low);
      }
      chart.draw(window, scale ?? { low: 0, high: 1 });
      lane?.sum({ ...window, endMs: knownUntil(window.endMs, now) });
    },
    read(timeMs, window, isLive) {
      const knownUntilMs = knownUntil(window.endMs, now);
      const reading = { timeMs, window, knownUntilMs, isLive, decimals, chart };
      for (const row of rows) readRow(row, lines, reading);
      lane?.point(chart, timeMs, { ...window, endMs: knownUntilMs });
    },
    speak(timeMs) {
      return series
        .map(
          ({ info, title, unit }) =>
            `${title.spoken} ${valueText(info, lines, timeMs, decimals)} ${unit}`,
        )
        .join(', ');
    },
    destroy() {
      chart.destroy();
      element.remove();
    },
  };
}

/** The end of what is known: what held last is not known to hold still. */
function knownUntil(endMs: number, { isLive, wholeUntilMs = endMs }: Now): number {
  return isLive ? Math.min(endMs, wholeUntilMs) : endMs;
}

/** The timeline of a pane without numbers: of its first series. */
function laneOf({ series, lines, palette, stateColors }: PaneOptions): Lane {
  const id = series[0]?.info?.id;
  const trace = () => (id === undefined ? emptyStates() : lines.states(id));
  return createLane({ trace, palette, colors: stateColors });
}

function labelOf(series: readonly PaneSeries[]): string {
  return series.map(({ title }) => title.spoken).join(', ');
}

function createRow(series: PaneSeries, palette: () => Palette, actions: PaneActions): Row {
  const { info, unit, order, note } = series;
  const { name, asset, text } = series.title;
  const value = el('span', { class: 'value' }, '–');
  const age = el('span', { class: 'age' });
  const remove = el(
    'button',
    { class: 'icon remove', type: 'button', 'aria-label': `Remove ${name}`, title: 'Remove' },
    '×',
  );
  remove.addEventListener('click', () => actions.remove(name));
  const title = note === undefined ? name : `${name}\n${note}`;
  const element = el(
    'div',
    { class: `row${info === undefined ? ' missing' : ''}`, title },
    el('span', { class: 'swatch' }),
    ...(asset === undefined ? [] : [cuttable('asset', asset)]),
    cuttable('name', text),
    remove,
    el('span', { class: 'reading' }, value, el('span', { class: 'unit' }, unit), age),
  );
  if (info === undefined) value.textContent = 'not available';
  if (info?.kind !== 'state') element.style.setProperty('--line', seriesColor(palette(), order));
  const dot = el('span', { class: 'dot', hidden: true });
  dot.style.setProperty('--line', seriesColor(palette(), order));
  return { series, element, value, age, dot };
}

function tools({ index, series, actions }: PaneOptions): HTMLElement {
  const box = el('div', { class: 'tools' });
  const add = (label: string, sign: string, act: () => void): void => {
    const button = el(
      'button',
      { class: 'icon', type: 'button', 'aria-label': label, title: label },
      sign,
    );
    button.addEventListener('click', act);
    box.append(button);
  };
  if (series.length > 1) add('Split into panes of their own', '⇕', () => actions.split(index));
  if (index > 0) add('Join with the pane above', '⇑', () => actions.join(index));
  return box;
}

interface Reading {
  readonly timeMs: number | undefined;
  readonly window: ChartWindow;
  readonly knownUntilMs: number;
  readonly isLive: boolean;
  readonly decimals: number;
  readonly chart: Chart;
}

function readRow(row: Row, lines: Lines, reading: Reading): void {
  const { info } = row.series;
  if (info === undefined) return;
  if (info.kind === 'state') {
    readState(row, lines.states(info.id), reading);
    return;
  }
  const { timeMs, window, isLive, decimals, chart } = reading;
  const atMs = timeMs ?? window.endMs;
  const trace = lines.trace(info.id);
  const pixelMs = (window.endMs - window.startMs) / Math.max(1, chart.over.clientWidth);
  const within = isWithin(trace.t, atMs, REACH_PX * pixelMs);
  const text = within || timeMs === undefined;
  setText(row.value, text ? valueText(info, lines, atMs, decimals, timeMs === undefined) : '–');
  const newestMs = trace.t.at(-1);
  const ageMs = window.endMs - (newestMs ?? window.endMs);
  const old = isLive && timeMs === undefined && ageMs > OLD_AFTER_MS;
  row.element.classList.toggle('old', old);
  setText(row.age, old ? `${formatLength(ageMs)} ago` : '');
  const at = timeMs === undefined || !within ? -1 : indexClosest(trace.t, timeMs);
  row.dot.hidden = at < 0;
  if (at < 0) return;
  const { left, top } = chart.place(trace.t[at] ?? 0, trace.v[at] ?? 0);
  row.dot.style.transform = `translate(${left}px, ${top}px)`;
}

/** What held at the crosshair or holds now, and for how long. */
function readState(row: Row, trace: StateTrace, { timeMs, knownUntilMs }: Reading): void {
  const held = heldAt(trace, timeMs, knownUntilMs);
  setText(row.value, held === undefined ? '–' : formatState(held.text));
  setText(row.age, held === undefined ? '' : lengthOf(held));
}

/** Whether a time is on the line, or so close to one of its ends that it is pointed at. */
function isWithin(times: readonly number[], timeMs: number, reachMs: number): boolean {
  const [first, last] = [times[0], times.at(-1)];
  if (first === undefined || last === undefined) return true;
  return timeMs >= first - reachMs && timeMs <= last + reachMs;
}

/** The value closest to a time, or the newest one up to it. */
function valueText(
  info: SeriesInfo | undefined,
  lines: Lines,
  timeMs: number,
  decimals: number,
  newest = false,
): string {
  if (info === undefined) return 'not available';
  if (info.kind === 'state') {
    const held = heldAt(lines.states(info.id), timeMs, timeMs);
    return held === undefined ? '–' : formatState(held.text);
  }
  const { t, v } = lines.trace(info.id);
  const value = v[newest ? indexAtOrBefore(t, timeMs) : indexClosest(t, timeMs)];
  return value === undefined ? '–' : formatValue(value, decimals);
}

function extentOf(
  series: readonly PaneSeries[],
  lines: Lines,
  window: ChartWindow,
): { min: number; max: number } | undefined {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const { info } of series) {
    if (info?.kind !== 'number') continue;
    const within = extent(lines.trace(info.id), window.startMs, window.endMs);
    if (within === undefined) continue;
    min = Math.min(min, within.min);
    max = Math.max(max, within.max);
  }
  return min <= max ? { min, max } : undefined;
}
