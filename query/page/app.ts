// The page's story: the view decides what is asked and drawn; every control and every gesture makes another view.
import { type Access, createAccess } from './access.ts';
import { accessChanged } from './access-changes.ts';
import { createAccount } from './account.ts';
import { type Api, createApi } from './api.ts';
import { answered, askSoon, askStale, failed, followingChanged } from './asking.ts';
import { createCatalogue } from './catalogue.ts';
import { createControls } from './controls.ts';
import { createData, type Data } from './data.ts';
import { byId } from './dom.ts';
import { startFrames } from './frames.ts';
import { listenToKeys, listenToWheel } from './gestures.ts';
import { layout } from './layout.ts';
import { createLines } from './lines.ts';
import { go, goBack, goLive, moveBy, pointBy, toggle, toggleLive, zoomBy } from './navigation.ts';
import type { Page } from './page-state.ts';
import { createPicker } from './picker.ts';
import { createScreen } from './screen.ts';
import { takeReturn } from './sign-in/pending.ts';
import { applyTheme, onSystemTheme, otherTheme } from './theme.ts';
import { DEFAULT_VIEW, fixed, joinPane, parseView, splitPane, toggleSeries } from './view.ts';

/** Up to this width the list of series lies over the charts; as in dialogs.css. */
const RAIL_OVER_PX = 900;

/** Opens the page: signs in, shows what the address says, and follows it. */
export async function openPage(): Promise<void> {
  const back = takeReturn();
  const page = createPage();
  page.view = parseView(window.location.search);
  page.palette = applyTheme(page.view.theme);
  page.controls.span(page.view.span);
  keepRailOffCharts(page);
  await page.access.open(back);
  const opening = page.access.demo?.view;
  if (opening !== undefined && !new URLSearchParams(window.location.search).has('s')) {
    page.view = parseView(window.location.search, parseView(opening));
    keepRailOffCharts(page);
  }
  layout(page);
  listen(page);
  go(page, page.view, 'replace');
  startFrames(page);
  if (page.access.token() !== undefined) await page.catalogue.refresh();
}

/** Puts the parts together. They call back only later, when the page is there. */
function createPage(): Page {
  const access = createAccess({
    changed: (state, event) => accessChanged(page, state, event),
    renewed: () => page.data.following.renew(),
  });
  const api = createApi(access.token);
  const lines = createLines();
  const page: Page = {
    view: DEFAULT_VIEW,
    palette: applyTheme('system'),
    liveSpanMs: 900_000,
    dirty: true,
    asking: {
      ...{ timer: undefined, atMs: Number.POSITIVE_INFINITY, askedMs: 0 },
      ...{ question: undefined, isStale: false },
    },
    stillAtMs: undefined,
    access,
    account: accountOf(access, api),
    api,
    lines,
    data: dataOf(() => page, { api, lines, token: access.token }),
    catalogue: createCatalogue(
      api,
      {
        changed() {
          layout(page);
          page.controls.notice('connection', undefined);
          askSoon(page, 0);
        },
        failed: (error) => failed(page, error),
      },
      (name) => access.demo?.units?.[name],
    ),
    controls: controlsOf(() => page),
    picker: createPicker({
      notes: () => access.demo?.notes ?? {},
      toggled: (series) => void toggle(page, series),
    }),
    screen: createScreen({
      lines,
      palette: () => page.palette,
      events: {
        zoom: ({ startMs, endMs }) => go(page, { ...page.view, span: fixed(startMs, endMs) }),
        pan: (part) => moveBy(page, part),
      },
      actions: {
        remove: (name) => go(page, toggleSeries(page.view, name)),
        join: (index) => go(page, joinPane(page.view, index)),
        split: (index) => go(page, splitPane(page.view, index)),
      },
    }),
  };
  return page;
}

function dataOf(page: () => Page, from: Parameters<typeof createData>[0]): Data {
  return createData(from, {
    changed() {
      page().dirty = true;
    },
    loading: (busy) => page().controls.loading(busy),
    following: (state) => followingChanged(page(), state),
    answered: (answer, tookMs) => answered(page(), answer, tookMs),
    failed: (error) => failed(page(), error),
    stale: () => askStale(page()),
    tokenEnds: () => page().access.renewEarly(),
  });
}

function accountOf(access: Access, api: Api): Page['account'] {
  return createAccount({
    signIn: () => void access.signIn(),
    token(token) {
      access.set(token);
      window.location.reload();
    },
    signOut: () => void access.signOut(),
    who: () => api.me(),
  });
}

function controlsOf(page: () => Page): Page['controls'] {
  return createControls({
    span: (spanMs) => goLive(page(), spanMs),
    live: () => toggleLive(page()),
    theme: () => toggleTheme(page()),
    rail: toggleRail,
    retry: () => page().data.following.retry(),
  });
}

function toggleTheme(page: Page): void {
  go(page, { ...page.view, theme: otherTheme(page.view.theme) }, 'replace');
}

const railLiesOver = (): MediaQueryList => window.matchMedia(`(max-width: ${RAIL_OVER_PX}px)`);

/** Where the list would lie over the charts it comes when it is called. */
function keepRailOffCharts({ view }: Page): void {
  if (view.panes.length > 0 && railLiesOver().matches) showRail(false);
}

function toggleRail(): void {
  showRail(document.body.classList.contains('no-rail'));
}

function showRail(isShown: boolean): void {
  document.body.classList.toggle('no-rail', !isShown);
  byId('rail-toggle').setAttribute('aria-expanded', String(isShown));
}

function listen(page: Page): void {
  window.addEventListener('popstate', () => goBack(page));
  window.addEventListener('pageshow', ({ persisted }) => {
    if (persisted) page.access.cameBack();
  });
  // The network is back, or a sleeping machine: there is nothing to wait for.
  window.addEventListener('online', () => page.data.following.retry());
  railLiesOver().addEventListener('change', ({ matches }) => {
    if (matches) keepRailOffCharts(page);
    else showRail(true);
  });
  onSystemTheme(() => {
    page.palette = applyTheme(page.view.theme);
    layout(page);
  });
  const gestures = {
    move: (part: number) => moveBy(page, part),
    zoom: (factor: number) => zoomBy(page, factor),
  };
  listenToWheel(byId('charts'), gestures);
  listenToKeys({
    ...gestures,
    preset: (spanMs) => goLive(page, spanMs),
    live: () => toggleLive(page),
    theme: () => toggleTheme(page),
    rail: toggleRail,
    search() {
      if (document.body.classList.contains('no-rail')) toggleRail();
      page.picker.focus();
    },
    help: () => page.controls.help(),
    point: (part) => pointBy(page, part),
    unpoint: () => page.screen.point(undefined),
  });
}
