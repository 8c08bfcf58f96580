// The rail of series: a search field that drives a list by asset, from the keyboard as well as by pointer.
import { byId, cuttable, el } from './dom.ts';
import { nameOf, searchSeries } from './search.ts';
import type { SeriesInfo } from './wire.ts';

export interface PickerOptions {
  readonly notes: () => Readonly<Record<string, string>>;
  /** A series was picked, or picked again to take it away. */
  readonly toggled: (series: SeriesInfo) => void;
}

export interface Picker {
  show(
    all: readonly SeriesInfo[],
    chosen: ReadonlySet<string>,
    colorOf: (name: string) => string,
  ): void;
  focus(): void;
}

/** A list longer than this is no help; typing on is. */
const SHOWN_MOST = 400;

/** Takes the page's search field and list. */
export function createPicker(options: PickerOptions): Picker {
  const input = byId<HTMLInputElement>('search');
  const list = byId('results');
  let all: readonly SeriesInfo[] = [];
  let chosen: ReadonlySet<string> = new Set();
  let colorOf: (name: string) => string = () => '';
  let active = -1;
  let shown: { series: SeriesInfo; element: HTMLElement }[] = [];

  function render(): void {
    shown = [];
    const groups = searchSeries(all, input.value, SHOWN_MOST).map(({ asset, series }) => {
      const note = options.notes()[asset];
      const group = el('div', { role: 'group', 'aria-label': asset, class: 'group' });
      group.append(el('div', { class: 'group-name', 'aria-hidden': 'true' }, asset));
      if (note !== undefined) group.append(el('div', { class: 'note' }, note));
      for (const one of series) group.append(option(one));
      return group;
    });
    if (groups.length === 0) {
      const text = all.length === 0 ? 'No series to show.' : 'No series has all of these words.';
      groups.push(el('div', { class: 'none' }, text));
    }
    list.replaceChildren(...groups);
    activate(input.value === '' ? -1 : 0);
  }

  function option(series: SeriesInfo): HTMLElement {
    const selected = chosen.has(nameOf(series));
    const unit = series.kind === 'state' ? 'state' : (series.unit ?? '');
    const element = createOption(series, unit, selected);
    if (selected && series.kind === 'number')
      element.style.setProperty('--line', colorOf(nameOf(series)));
    element.addEventListener('click', () => options.toggled(series));
    shown.push({ series, element });
    return element;
  }

  function activate(index: number): void {
    shown[active]?.element.classList.remove('active');
    active = Math.min(index, shown.length - 1);
    const now = shown[active];
    now?.element.classList.add('active');
    now?.element.scrollIntoView({ block: 'nearest' });
    if (now === undefined) input.removeAttribute('aria-activedescendant');
    else input.setAttribute('aria-activedescendant', now.element.id);
  }

  input.addEventListener('input', render);
  input.addEventListener('keydown', (event) => {
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
    };
    const step = steps[event.key];
    if (step !== undefined) {
      activate(Math.max(0, active + step));
    } else if (event.key === 'Enter') {
      const now = shown[Math.max(0, active)];
      if (now !== undefined) options.toggled(now.series);
    } else if (event.key === 'Escape' && input.value !== '') {
      input.value = '';
      render();
    } else {
      return;
    }
    event.preventDefault();
  });

  return {
    show(series, names, color) {
      const kept = active;
      const top = list.scrollTop;
      all = series;
      chosen = names;
      colorOf = color;
      render();
      list.scrollTop = top;
      if (document.activeElement === input) activate(kept);
    },
    focus() {
      input.focus();
      input.select();
    },
  };
}

function createOption(series: SeriesInfo, unit: string, selected: boolean): HTMLElement {
  return el(
    'div',
    {
      role: 'option',
      id: `series-${series.id}`,
      class: 'option',
      'aria-selected': String(selected),
      title: nameOf(series),
    },
    el('span', { class: 'swatch' }),
    cuttable('channel', series.channel),
    el('span', { class: 'unit' }, unit),
  );
}
