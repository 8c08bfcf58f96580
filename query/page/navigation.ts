// From one view to the next: every control and every gesture ends here, and every view is in the address.
import { ASK_REST_MS, askSoon } from './asking.ts';
import { layout } from './layout.ts';
import { type Page, windowNow } from './page-state.ts';
import { nameOf } from './search.ts';
import { applyTheme } from './theme.ts';
import {
  fixed,
  formatView,
  pan,
  parseView,
  type Span,
  seriesOf,
  toggleSeries,
  type View,
  zoom,
} from './view.ts';
import type { SeriesInfo } from './wire.ts';

/** Shows another view. A step that Back should undo is pushed; one of many in a gesture replaces. */
export function go(page: Page, next: View, how: 'push' | 'replace' = 'push'): void {
  const before = page.view;
  page.view = next;
  const url = `?${formatView(next)}`;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  shown(page, before);
}

/** Follows the address after Back and Forward. */
export function goBack(page: Page): void {
  const before = page.view;
  page.view = parseView(window.location.search);
  shown(page, before);
}

function shown(page: Page, before: View): void {
  const { view, controls } = page;
  if (view.span.kind === 'live') page.liveSpanMs = view.span.spanMs;
  controls.span(view.span);
  if (before.theme !== view.theme) page.palette = applyTheme(view.theme);
  const panes = JSON.stringify(view.panes);
  if (before.theme !== view.theme || JSON.stringify(before.panes) !== panes) layout(page);
  page.dirty = true;
  askSoon(page, ASK_REST_MS);
}

/** Follows the present with a span. */
export function goLive(page: Page, spanMs: number | null): void {
  go(page, { ...page.view, span: { kind: 'live', spanMs } });
}

/** Between following the present and standing still. */
export function toggleLive(page: Page): void {
  const { startMs, endMs } = windowNow(page);
  const span: Span =
    page.view.span.kind === 'live'
      ? fixed(startMs, endMs)
      : { kind: 'live', spanMs: page.liveSpanMs };
  go(page, { ...page.view, span });
}

/** Moves in time by a part of the window's length. */
export function moveBy(page: Page, part: number): void {
  go(page, { ...page.view, span: pan(windowNow(page), part, Date.now()) }, 'replace');
}

/** Zooms about the crosshair, or about the middle. */
export function zoomBy(page: Page, factor: number): void {
  const window = windowNow(page);
  const aboutMs = page.screen.pointedMs ?? (window.startMs + window.endMs) / 2;
  go(page, { ...page.view, span: zoom(window, factor, aboutMs, Date.now()) }, 'replace');
}

/** Moves the crosshair by a part of the window's length. */
export function pointBy(page: Page, part: number): void {
  const { startMs, endMs } = windowNow(page);
  const fromMs = page.screen.pointedMs ?? (startMs + endMs) / 2;
  page.screen.point(Math.min(Math.max(fromMs + (endMs - startMs) * part, startMs), endMs));
}

/** Takes a series away, or adds it where its line fits: to a pane of its unit and size, else to one of its own. */
export async function toggle(page: Page, series: SeriesInfo): Promise<void> {
  const name = nameOf(series);
  const { unit } = series;
  let into: number | undefined;
  if (!seriesOf(page.view).includes(name) && series.kind === 'number' && unit !== null) {
    const newest = await page.api.latest([series.id]).catch(() => undefined);
    into = paneFor(page, unit, newest?.series[0]?.v);
  }
  go(page, toggleSeries(page.view, name, into));
}

/** Points that are looked at to know a line's size: the newest ones. */
const LOOKED_AT = 2_000;

function paneFor(page: Page, unit: string, value: number | string | undefined): number | undefined {
  if (typeof value !== 'number') return undefined;
  const at = page.view.panes.findIndex((pane) => {
    const members = pane.map((name) => page.catalogue.find(name));
    const values: number[] = [];
    for (const member of members) {
      if (member?.unit !== unit) return false;
      values.push(...page.lines.trace(member.id).v.slice(-LOOKED_AT));
    }
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const span = Math.max(high - low, Math.abs(high) * 0.25);
    return value >= low - span && value <= high + span;
  });
  return at < 0 ? undefined : at;
}
