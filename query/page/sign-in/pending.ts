// The way to the issuer and back. What has to survive it waits in the tab's session storage: what proves that an answer
// belongs to the question (state, nonce, PKCE's verifier), and the address, which holds the view.
const KEY = 'tailrace.sign-in';

export type Pending =
  | {
      readonly kind: 'sign-in';
      /** Whose answer is awaited. */
      readonly issuer: string;
      readonly state: string;
      readonly nonce: string;
      readonly verifier: string;
      readonly returnTo: string;
    }
  | { readonly kind: 'sign-out'; readonly state: string; readonly returnTo: string };

export type Return =
  /** Nobody comes back: the page was opened like any page. */
  | { readonly kind: 'none' }
  | {
      readonly kind: 'answered';
      readonly answer: URLSearchParams;
      readonly pending: Pending & { readonly kind: 'sign-in' };
    }
  | { readonly kind: 'signed out' }
  /** An answer to a question that this tab did not ask: a stale page, or somebody's trick. */
  | { readonly kind: 'stranger' };

/** Keeps what the way back needs; one way at a time. */
export function keepPending(pending: Pending): void {
  sessionStorage.setItem(KEY, JSON.stringify(pending));
}

/** Who comes back, by the address; puts the address of before in its place, so that no code stays in the history. */
export function takeReturn(): Return {
  const answer = new URLSearchParams(window.location.search);
  const isAnswer = answer.has('code') || answer.has('error');
  if (!isAnswer && !answer.has('state')) return { kind: 'none' };
  const pending = readPending();
  const wanted = isAnswer ? 'sign-in' : 'sign-out';
  if (pending?.kind !== wanted || pending.state !== answer.get('state')) {
    history.replaceState(null, '', window.location.pathname);
    return isAnswer ? { kind: 'stranger' } : { kind: 'none' };
  }
  sessionStorage.removeItem(KEY);
  history.replaceState(null, '', pending.returnTo);
  return pending.kind === 'sign-in'
    ? { kind: 'answered', answer, pending }
    : { kind: 'signed out' };
}

function readPending(): Pending | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Where the issuer sends people back to: this page without its view. Has to be registered there, exactly so. */
export function pageAddress(): string {
  return window.location.origin + window.location.pathname;
}

/** The address with its view, for coming back to. */
export function viewAddress(): string {
  return window.location.pathname + window.location.search;
}
