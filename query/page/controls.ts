// The bar above the charts: presets, live, status, theme, help and sign-in; and the notices below it.
import { byId, el, setText } from './dom.ts';
import { formatInstant, formatLength } from './format.ts';
import type { TailState } from './tail-state.ts';
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
  | 'range'
  | 'missing'
  | 'incomplete';

export interface Controls {
  span(span: Span): void;
  tail(state: TailState): void;
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
  let tail: TailState = { kind: 'off' };
  let following = true;
  let isOver = false;
  const show = (): void => showTail(tail, isOver ? 'over' : following, actions.retry);

  live.addEventListener('click', actions.live);
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
      following = isLive;
      show();
      live.classList.toggle('paused', !isLive);
      setText(byId('live-text'), isLive ? 'Pause' : 'Go live');
      for (const { button, spanMs } of presets) {
        button.setAttribute('aria-pressed', String(isLive && span.spanMs === spanMs));
      }
      setText(byId('span'), isLive ? '' : describeSpan(span));
    },
    tail(state) {
      tail = state;
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

const STATUS: Readonly<Record<TailState['kind'], string>> = {
  off: 'Paused',
  connecting: 'Connecting',
  'catching up': 'Catching up',
  live: 'Live',
  summaries: 'Summaries',
  offline: 'Offline',
  refused: 'Refused',
};

function showTail(state: TailState, following: boolean | 'over', retry: () => void): void {
  const status = byId('status');
  status.dataset.state = state.kind.replace(' ', '-');
  status.title = statusTitle(state);
  const off = following === 'over' ? 'Session over' : following ? 'Waiting' : STATUS.off;
  setText(byId('status-text'), state.kind === 'off' ? off : STATUS[state.kind]);
  const again = byId('retry');
  again.hidden = state.kind !== 'offline';
  again.onclick = retry;
}

function statusTitle(state: TailState): string {
  switch (state.kind) {
    case 'off':
      return 'No readings are followed.';
    case 'connecting':
    case 'catching up':
      return 'What was missed is on its way.';
    case 'live':
      return 'Readings are drawn as they are stored.';
    case 'summaries':
      return 'Readings come faster than this page or its network takes them; the server sends summaries.';
    case 'offline':
      return `${state.reason} Trying again in ${formatLength(state.retryInMs)}.`;
    case 'refused':
      return state.reason;
  }
}
