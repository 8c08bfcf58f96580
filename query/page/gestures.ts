// Keys and the wheel.
import { PRESETS } from './view.ts';

export interface KeyActions {
  preset(spanMs: number | null): void;
  live(): void;
  theme(): void;
  rail(): void;
  search(): void;
  help(): void;
  /** By a part of the window's length. */
  move(part: number): void;
  zoom(factor: number): void;
  /** Moves the crosshair by a part of the window's length. */
  point(part: number): void;
  unpoint(): void;
}

/** Listens to keys where nobody types and no dialog is open. */
export function listenToKeys(actions: KeyActions): void {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest('input, textarea, dialog') !== null) {
      if (event.key === 'Escape' && target instanceof HTMLElement) target.blur();
      return;
    }
    if (event.key === ' ' && target.closest('button') !== null) return;
    if (act(event, actions)) event.preventDefault();
  });
}

function act({ key, shiftKey }: KeyboardEvent, actions: KeyActions): boolean {
  const preset = /^[1-9]$/.test(key) ? PRESETS[Number(key) - 1] : undefined;
  if (preset !== undefined) actions.preset(preset.spanMs);
  else if (key === 'ArrowLeft') actions.move(shiftKey ? -0.5 : -0.1);
  else if (key === 'ArrowRight') actions.move(shiftKey ? 0.5 : 0.1);
  else if (key === '+' || key === '=') actions.zoom(0.5);
  else if (key === '-' || key === '_') actions.zoom(2);
  else if (key === ',' || key === '<') actions.point(shiftKey ? -0.05 : -0.005);
  else if (key === '.' || key === '>') actions.point(shiftKey ? 0.05 : 0.005);
  else if (key === 'l' || key === ' ') actions.live();
  else if (key === 't') actions.theme();
  else if (key === 's') actions.rail();
  else if (key === '/') actions.search();
  else if (key === '?') actions.help();
  else {
    // What closes by Escape still does.
    if (key === 'Escape') actions.unpoint();
    return false;
  }
  return true;
}

/** A wheel's notch in pixels, where it counts lines. */
const LINE_PX = 16;

/** The wheel scrolls the page as ever; sideways or with shift it moves in time, with ctrl it zooms. */
export function listenToWheel(
  area: HTMLElement,
  actions: { move(part: number): void; zoom(factor: number): void },
): void {
  area.addEventListener(
    'wheel',
    (event) => {
      const scale = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1;
      const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (!sideways && !event.ctrlKey) return;
      event.preventDefault();
      if (event.ctrlKey) actions.zoom(Math.exp((event.deltaY * scale) / 400));
      else actions.move(((event.deltaX || event.deltaY) * scale) / area.clientWidth);
    },
    { passive: false },
  );
  area.addEventListener('dblclick', () => actions.zoom(2));
}
