// The page as one value: its view, and the parts that show and feed it. Functions on it stand by what they are about:
// navigation, layout, asking, frames.
import type { Access } from './access.ts';
import type { Account } from './account.ts';
import type { Api } from './api.ts';
import type { Catalogue } from './catalogue.ts';
import type { ChartWindow } from './chart.ts';
import type { Controls } from './controls.ts';
import type { Data } from './data.ts';
import type { Lines } from './lines.ts';
import type { Picker } from './picker.ts';
import type { Screen } from './screen.ts';
import type { Palette } from './theme.ts';
import { seriesOf, type View, windowOf } from './view.ts';

/** When the server will be asked next and when it was asked last, in ms of `performance.now`. */
export interface Asking {
  timer: number | undefined;
  atMs: number;
  askedMs: number;
  /** The question that is under way. */
  question: object | undefined;
  /** What it will answer is known not to be all there is. */
  isStale: boolean;
}

export interface Page {
  view: View;
  palette: Palette;
  /** The span that following the present comes back to. */
  liveSpanMs: number | null;
  /** Something has changed that was not drawn yet. */
  dirty: boolean;
  readonly asking: Asking;
  /** The present, where it stands still because nothing new can come: ms since 1970. */
  stillAtMs: number | undefined;
  readonly access: Access;
  readonly account: Account;
  readonly api: Api;
  readonly lines: Lines;
  readonly data: Data;
  readonly catalogue: Catalogue;
  readonly controls: Controls;
  readonly picker: Picker;
  readonly screen: Screen;
}

/** A device's clock may be a little ahead of this machine's; a line may so much outrun the present. */
const AHEAD_MOST_MS = 2_000;

/** The window on the screen now. */
export function windowNow(page: Page): ChartWindow {
  const nowMs = page.stillAtMs ?? Date.now();
  const presentMs = Math.max(nowMs, Math.min(page.lines.newestMs(), nowMs + AHEAD_MOST_MS));
  return windowOf(page.view.span, presentMs, page.catalogue.firstMs(seriesOf(page.view)));
}

/** A line's colour follows from its place among the lines; lanes have colours of their own. */
export function colorOrder(page: Page, name: string): number {
  return seriesOf(page.view)
    .filter((one) => one === name || page.catalogue.find(one)?.kind !== 'state')
    .indexOf(name);
}
