// From the view to the panes and the marks in the list of series.
import { colorOrder, type Page } from './page-state.ts';
import type { PaneSeries } from './pane.ts';
import { seriesColor } from './theme.ts';
import { seriesOf } from './view.ts';

/** Builds panes and list anew. */
export function layout(page: Page): void {
  const { view, catalogue, picker, screen, palette } = page;
  screen.layout(view.panes.map((pane) => pane.map((name) => paneSeries(page, name))));
  document.body.classList.toggle('blank', view.panes.length === 0);
  picker.show(catalogue.all(), new Set(seriesOf(view)), (name) =>
    seriesColor(palette, colorOrder(page, name)),
  );
  page.dirty = true;
}

function paneSeries(page: Page, name: string): PaneSeries {
  const info = page.catalogue.find(name);
  return {
    name,
    info,
    unit: info?.unit ?? '',
    order: colorOrder(page, name),
    note: page.access.demo?.notes?.[name.slice(0, name.indexOf('/'))],
  };
}
