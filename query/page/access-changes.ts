// What it does to the page when who it is changes.
import { ASK_REST_MS, askSoon } from './asking.ts';
import { formatClock } from './format.ts';
import type { Page } from './page-state.ts';
import type { AccessEvent, AccessState } from './sign-in/state.ts';

/** Shows the state, and stops or goes on with it. */
export function accessChanged(page: Page, state: AccessState, event: AccessEvent): void {
  const { access, account, controls } = page;
  account.show(state, { host: access.issuerHost, name: access.name });
  if (state.kind === 'over') {
    stop(page, state.reason);
  } else if (state.kind === 'signed in') {
    if (page.stillAtMs !== undefined) goOn(page);
    const { ends } = state;
    if (ends !== undefined) {
      const text = `Your session ends at ${formatClock(ends.atMs)}. ${ends.reason}`;
      controls.notice('session', text, 'warn', wayIn(page, 'Sign in again'));
    } else if (event.kind === 'failed' && event.reason !== '') {
      controls.notice('session', event.reason, 'warn');
    } else {
      controls.notice('session', undefined);
    }
  }
}

/** Nothing new can come: the charts stay as they are, and the present with them. */
function stop(page: Page, reason: string): void {
  page.stillAtMs ??= Date.now();
  page.data.rest();
  page.controls.over(true);
  page.controls.notice('access', undefined);
  const said = reason === '' ? 'Your session is over.' : `Your session is over: ${reason}`;
  // Where nothing was ever shown there is nothing to keep in sight.
  if (page.catalogue.all().length === 0) {
    page.account.open(said);
    return;
  }
  const text = `${said} The charts show what had come until then.`;
  page.controls.notice('session', text, 'warn', wayIn(page, 'Sign in'));
}

function goOn(page: Page): void {
  page.stillAtMs = undefined;
  page.controls.over(false);
  page.catalogue.refreshSoon();
  askSoon(page, ASK_REST_MS);
}

function wayIn({ access, account }: Page, label: string) {
  return {
    label,
    run: () => (access.issuerHost === undefined ? account.open('') : void access.signIn()),
  };
}
