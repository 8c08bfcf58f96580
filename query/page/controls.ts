// The bar above the charts: presets, live, status, theme, help and sign-in; and the notices below it.
import { byId, el, setText } from './dom.ts';
import { describeFollow, type FollowState } from './follow-state.ts';
import { formatInstant, formatLength } from './format.ts';
import { PRESETS, type Span } from './view.ts';

export interface ControlActions {
  span(spanMs: number | null): void;
  /** Between following the present and standing still. */
  live(): void;
  theme(): void;
  rail(): void;
  retry(): void;
}

export interface NoticeAction {
  readonly label: string;
  run(): void;
}

type NoticeKey =
  | 'session'
  | 'access'
  | 'limits'
  | 'connection'
  | 'outage'
  | 'range'
  | 'missing'
  | 'incomplete';

export interface Controls {
  span(span: Span): void;
  following(state: FollowState): void;
  /** Whether nothing can be followed any more, because the session is over. */
  over(isOver: boolean): void;
  loading(busy: boolean): void;
  /** Shows a sentence until it is taken away by undefined. */
  notice(
    key: NoticeKey,
    text: string | undefined,
    tone?: 'info' | 'warn' | 'error',
    action?: NoticeAction,
  ): void;
  help(): void;
}

const TICK_MS = 1_000;

/** Takes the page's bar. */
export function createControls(actions: ControlActions): Controls {
  const presets = PRESETS.map(({ label, name, spanMs }) => {
    const title = spanMs === null ? 'Everything there is' : `The last ${formatLength(spanMs)}`;
    const button = el('button', { type: 'button', 'data-preset': name, title }, label);
    button.addEventListener('click', () => actions.span(spanMs));
    return { button, spanMs };
  });
  byId('presets').append(...presets.map(({ button }) => button));
  const live = byId('live');
  const help = byId<HTMLDialogElement>('help');
  const notices = new Map<NoticeKey, HTMLElement>();
  let state: FollowState = { kind: 'off' };
  let follows = true;
  let isOver = false;
  let ticking: number | undefined;

  function show(): void {
    window.clearTimeout(ticking);
    showStatus(state, isOver ? 'over' : follows);
    // What is said in seconds is said anew each second.
    if (state.kind === 'offline') ticking = window.setTimeout(show, TICK_MS);
  }

  live.addEventListener('click', actions.live);
  byId('retry').addEventListener('click', actions.retry);
  byId('theme').addEventListener('click', actions.theme);
  byId('rail-toggle').addEventListener('click', actions.rail);
  byId('help-open').addEventListener('click', () => help.showModal());
  for (const dialog of document.querySelectorAll('dialog')) {
    for (const button of dialog.querySelectorAll('[data-close]')) {
      button.addEventListener('click', () => dialog.close());
    }
  }

  return {
    span(span) {
      const isLive = span.kind === 'live';
      follows = isLive;
      show();
      live.classList.toggle('paused', !isLive);
      setText(byId('live-text'), isLive ? 'Pause' : 'Go live');
      for (const { button, spanMs } of presets) {
        button.setAttribute('aria-pressed', String(isLive && span.spanMs === spanMs));
      }
      setText(byId('span'), isLive ? '' : describeSpan(span));
    },
    following(next) {
      state = next;
      show();
    },
    over(yes) {
      isOver = yes;
      show();
    },
    loading: (busy) => byId('progress').classList.toggle('busy', busy),
    notice(key, text, tone = 'info', action) {
      notices.get(key)?.remove();
      notices.delete(key);
      if (text === undefined) return;
      const element = el('p', { class: `notice ${tone}` }, text);
      if (action !== undefined) {
        const button = el('button', { type: 'button' }, action.label);
        button.addEventListener('click', action.run);
        element.append(button);
      }
      notices.set(key, element);
      byId('notices').append(element);
    },
    help: () => (help.open ? help.close() : help.showModal()),
  };
}

function describeSpan(span: Span & { kind: 'fixed' }): string {
  const tenths = (ms: number): string => formatInstant(ms).slice(0, -4);
  return `${tenths(span.startMs)} – ${tenths(span.endMs)} · ${formatLength(span.endMs - span.startMs)}`;
}

function showStatus(state: FollowState, following: boolean | 'over'): void {
  const { word, detail, title } = describeFollow(state, Date.now());
  const status = byId('status');
  status.dataset.state = state.kind.replace(' ', '-');
  status.title = title;
  const off = following === 'over' ? 'Session over' : following ? 'Waiting' : word;
  setText(byId('status-text'), state.kind === 'off' ? off : word);
  setText(byId('status-detail'), detail);
  byId('retry').hidden = state.kind !== 'offline' || state.retryAtMs === undefined;
}
