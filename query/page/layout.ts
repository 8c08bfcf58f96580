// From the view to the panes and the marks in the list of series.
import { colorOrder, type Page } from './page-state.ts';
import type { PaneSeries } from './pane.ts';
import { seriesColor } from './theme.ts';
import { splitName, type Title, titlesOf } from './titles.ts';
import { seriesOf } from './view.ts';

/** Builds panes and list anew. */
export function layout(page: Page): void {
  const { view, catalogue, picker, screen, palette } = page;
  screen.layout(titlesOf(view.panes).map((pane) => pane.map((title) => paneSeries(page, title))));
  document.body.classList.toggle('blank', view.panes.length === 0);
  picker.show(catalogue.all(), new Set(seriesOf(view)), (name) =>
    seriesColor(palette, colorOrder(page, name)),
  );
  page.dirty = true;
}

function paneSeries(page: Page, title: Title): PaneSeries {
  const { name } = title;
  const info = page.catalogue.find(name);
  return {
    title,
    info,
    unit: info?.unit ?? '',
    order: colorOrder(page, name),
    note: page.access.demo?.notes?.[splitName(name).asset],
  };
}
