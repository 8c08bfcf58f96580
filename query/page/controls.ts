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
  signIn(token: string): void;
  signOut(): void;
  retry(): void;
}

type NoticeKey = 'access' | 'limits' | 'connection' | 'range' | 'missing' | 'incomplete';

export interface Controls {
  span(span: Span): void;
  tail(state: TailState): void;
  loading(busy: boolean): void;
  /** Shows a sentence until it is taken away by undefined. */
  notice(key: NoticeKey, text: string | undefined, tone?: 'info' | 'warn' | 'error'): void;
  signedIn(yes: boolean): void;
  /** Opens the sign-in with the reason for it. */
  askToken(reason: string): void;
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
  const signIn = byId<HTMLDialogElement>('sign-in');
  const notices = new Map<NoticeKey, HTMLElement>();
  let tail: TailState = { kind: 'off' };
  let following = true;

  live.addEventListener('click', actions.live);
  byId('theme').addEventListener('click', actions.theme);
  byId('rail-toggle').addEventListener('click', actions.rail);
  byId('help-open').addEventListener('click', () => help.showModal());
  byId('access').addEventListener('click', () => openSignIn(''));
  byId('sign-out').addEventListener('click', () => {
    signIn.close();
    actions.signOut();
  });
  byId<HTMLFormElement>('sign-in-form').addEventListener('submit', () => {
    const field = byId<HTMLInputElement>('token');
    const token = field.value.trim().replace(/^Bearer\s+/i, '');
    field.value = '';
    if (token !== '') actions.signIn(token);
  });
  for (const dialog of [help, signIn]) {
    for (const button of dialog.querySelectorAll('[data-close]')) {
      button.addEventListener('click', () => dialog.close());
    }
  }

  function openSignIn(reason: string): void {
    setText(byId('sign-in-reason'), reason);
    if (!signIn.open) signIn.showModal();
    byId('token').focus();
  }

  return {
    span(span) {
      const isLive = span.kind === 'live';
      following = isLive;
      showTail(tail, following, actions.retry);
      live.classList.toggle('paused', !isLive);
      setText(byId('live-text'), isLive ? 'Pause' : 'Go live');
      for (const { button, spanMs } of presets) {
        button.setAttribute('aria-pressed', String(isLive && span.spanMs === spanMs));
      }
      setText(byId('span'), isLive ? '' : describeSpan(span));
    },
    tail(state) {
      tail = state;
      showTail(state, following, actions.retry);
    },
    loading: (busy) => byId('progress').classList.toggle('busy', busy),
    notice(key, text, tone = 'info') {
      notices.get(key)?.remove();
      notices.delete(key);
      if (text === undefined) return;
      const element = el('p', { class: `notice ${tone}` }, text);
      notices.set(key, element);
      byId('notices').append(element);
    },
    signedIn: (yes) => {
      byId('sign-out').hidden = !yes;
      byId('access').classList.toggle('attention', !yes);
    },
    askToken: openSignIn,
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

function showTail(state: TailState, following: boolean, retry: () => void): void {
  const status = byId('status');
  status.dataset.state = state.kind.replace(' ', '-');
  status.title = statusTitle(state);
  const waits = state.kind === 'off' && following;
  setText(byId('status-text'), waits ? 'Waiting' : STATUS[state.kind]);
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
