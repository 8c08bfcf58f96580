// Colours of what is drawn on canvases. Those of everything else stand in page.css; both follow `data-theme`.
import type { Theme } from './view.ts';

export interface Palette {
  readonly grid: string;
  readonly muted: string;
  readonly ink: string;
  /** By the order in which series stand on the screen. */
  readonly series: readonly string[];
  readonly states: readonly string[];
  readonly stateInk: string;
  /** Of a stretch of time from which readings are missing. */
  readonly unknown: string;
}

const DARK: Palette = {
  grid: '#1a232d',
  muted: '#8593a1',
  ink: '#dfe6ed',
  series: [
    '#58c4f6',
    '#f0b54a',
    '#77d98a',
    '#f4816f',
    '#b4a0ff',
    '#45d0bd',
    '#f290c4',
    '#c8d36c',
    '#9db4cc',
    '#e39a66',
  ],
  states: ['#6a3556', '#565b26', '#4b4280', '#1d5f58', '#6b5320', '#6d3931', '#1c4f6b', '#2a5c46'],
  stateInk: '#e8eef4',
  unknown: '#6b7986',
};

const LIGHT: Palette = {
  grid: '#e6eaee',
  muted: '#5f6c79',
  ink: '#18222c',
  series: [
    '#0874b5',
    '#a86400',
    '#1d8540',
    '#c5412d',
    '#6a50cc',
    '#007f74',
    '#b32d7d',
    '#667300',
    '#4d647c',
    '#a3521a',
  ],
  states: ['#f0c9df', '#dfe3b4', '#d5cdf3', '#b9e2dc', '#f0dcb0', '#f3cbc4', '#bcdcee', '#c0e2cc'],
  stateInk: '#18222c',
  unknown: '#b4bec7',
};

const media = (): MediaQueryList => window.matchMedia('(prefers-color-scheme: light)');

/** What a theme means here and now. */
function resolveTheme(theme: Theme): 'dark' | 'light' {
  if (theme !== 'system') return theme;
  return media().matches ? 'light' : 'dark';
}

/** Puts a theme in force and gives its palette. */
export function applyTheme(theme: Theme): Palette {
  const resolved = resolveTheme(theme);
  document.documentElement.dataset.theme = resolved;
  return resolved === 'light' ? LIGHT : DARK;
}

/** Calls back when the system changes its mind. */
export function onSystemTheme(changed: () => void): void {
  media().addEventListener('change', changed);
}

/** The next theme that differs from what is seen. */
export function otherTheme(theme: Theme): Theme {
  return resolveTheme(theme) === 'dark' ? 'light' : 'dark';
}

/** The colour of a line. */
export function seriesColor(palette: Palette, order: number): string {
  return palette.series[order % palette.series.length] ?? palette.ink;
}

/** The colour of a state: the same text has the same colour everywhere. */
export type StateColors = (palette: Palette, text: string) => string;

/** States that have a colour of their own choice; with more on a screen, colours say nothing any more. */
const STATES_MAX = 256;

/** Gives each state a colour by its text, or the next one that no other state has yet. */
export function createStateColors(): StateColors {
  const places = new Map<string, number>();
  return (palette, text) => {
    const count = palette.states.length;
    let place = places.get(text);
    if (place === undefined) {
      place = placeOf(text, count);
      const taken = new Set(places.values());
      for (let tried = 0; tried < count && taken.has(place); tried++) place = (place + 1) % count;
      if (places.size < STATES_MAX) places.set(text, place);
    }
    return palette.states[place] ?? palette.grid;
  };
}

function placeOf(text: string, count: number): number {
  let hash = 7;
  for (const character of text)
    hash = (Math.imul(hash, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return hash % count;
}
