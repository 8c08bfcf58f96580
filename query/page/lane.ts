// The timeline of a state series: bands with their texts, below them how long each state held in the window, and under
// the pointer the band that it is in.
import type { Chart, ChartWindow } from './chart.ts';
import { el, setText } from './dom.ts';
import { drawRuns, type Plot } from './draw.ts';
import { formatLength, formatState, formatTimeOfDay } from './format.ts';
import { type Held, heldAt, type Run, runsOf, type StateTrace } from './states.ts';
import type { Palette, StateColors } from './theme.ts';

export interface LaneOptions {
  readonly trace: () => StateTrace;
  readonly palette: () => Palette;
  readonly colors: StateColors;
}

export interface Lane {
  /** Stands below the chart. */
  readonly legend: HTMLElement;
  /** Stand over the chart: the outline of a band and what is said of it. */
  readonly over: readonly HTMLElement[];
  /** `untilMs`: what held last is not known to hold longer. */
  paint(ctx: CanvasRenderingContext2D, plot: Plot, untilMs: number): void;
  /** Sums up the window. */
  sum(window: ChartWindow): void;
  /** Points at the band of a time, or at none. */
  point(chart: Chart, timeMs: number | undefined, window: ChartWindow): void;
}

/** States that the legend names; those that held least are counted. */
const LEGEND_MAX = 6;

/** Makes the timeline of one series. */
export function createLane({ trace, palette, colors }: LaneOptions): Lane {
  const legend = el('div', { class: 'legend' });
  const mark = el('span', { class: 'held', hidden: true });
  const tip = el('span', { class: 'tip', hidden: true });
  let summed = '';

  return {
    legend,
    over: [mark, tip],
    paint(ctx, plot, untilMs) {
      const ratio = window.devicePixelRatio;
      drawRuns(ctx, plot, runsOf(trace(), plot.startMs, untilMs), {
        colorOf: (text) => colors(palette(), text),
        ink: palette().stateInk,
        font: `${11.5 * ratio}px -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Arial, sans-serif`,
        gap: ratio,
      });
    },
    sum({ startMs, endMs }) {
      const totals = totalsOf(runsOf(trace(), startMs, endMs));
      const shown = totals.slice(0, LEGEND_MAX);
      const key = JSON.stringify([shown.map(lineOf), totals.length, palette().stateInk]);
      if (key === summed) return;
      summed = key;
      legend.replaceChildren(
        ...shown.map(([text, ms]) => {
          const swatch = el('i', {});
          swatch.style.background = colors(palette(), text);
          const length = el('b', {}, formatLength(ms));
          return el('span', { title: text }, swatch, `${formatState(text)} `, length);
        }),
        ...(totals.length > LEGEND_MAX
          ? [el('span', {}, `and ${totals.length - LEGEND_MAX} more`)]
          : []),
      );
    },
    point(chart, timeMs, shown) {
      const held = timeMs === undefined ? undefined : heldAt(trace(), timeMs, shown.endMs);
      mark.hidden = held === undefined;
      tip.hidden = held === undefined;
      if (held === undefined || timeMs === undefined) return;
      const width = chart.over.clientWidth;
      const left = Math.max(0, chart.place(held.startMs, 0).left);
      const right = Math.min(width, chart.place(held.endMs, 0).left);
      mark.style.transform = `translateX(${left}px)`;
      mark.style.width = `${Math.max(2, right - left)}px`;
      setText(
        tip,
        [formatState(held.text), lengthOf(held), spanOf(held)].filter((part) => part).join(' · '),
      );
      const most = Math.max(0, width - tip.offsetWidth);
      const middle = chart.place(timeMs, 0).left - tip.offsetWidth / 2;
      tip.style.transform = `translateX(${Math.min(Math.max(0, middle), most)}px)`;
    },
  };
}

/** How long a state has held; at least so long where its beginning is not known. */
export function lengthOf({ startMs, endMs, isCut }: Held): string {
  return `${isCut ? '≥ ' : ''}${formatLength(endMs - startMs)}`;
}

function spanOf({ startMs, endMs, isCut, goesOn }: Held): string {
  const [from, until] = [formatTimeOfDay(startMs), formatTimeOfDay(endMs)];
  if (isCut) return goesOn ? '' : `until ${until}`;
  return goesOn ? `since ${from}` : `${from} – ${until}`;
}

/** How long each state held, the longest first. */
export function totalsOf(runs: readonly Run[]): [text: string, ms: number][] {
  const totals = new Map<string, number>();
  for (const { text, startMs, endMs } of runs) {
    totals.set(text, (totals.get(text) ?? 0) + endMs - startMs);
  }
  return [...totals].sort(([, a], [, b]) => b - a);
}

const lineOf = ([text, ms]: [string, number]): string => `${text} ${formatLength(ms)}`;
