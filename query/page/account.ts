// The card at which one signs in, and the menu that says who one is.
import { byId, el, setText } from './dom.ts';
import type { AccessState } from './sign-in/state.ts';
import type { Me } from './wire.ts';

export interface AccountActions {
  /** Leaves for the issuer. */
  signIn(): void;
  /** Takes a token that was typed in. */
  token(token: string): void;
  signOut(): void;
  /** Asks the server who one is. */
  who(): Promise<Me>;
}

/** Where one signs in and what one is called there, as far as there is an issuer. */
export interface IssuerFacts {
  readonly host: string | undefined;
  readonly name: string | undefined;
}

export interface Account {
  /** Shows who the page is now: the card where it is nobody. */
  show(state: AccessState, facts: IssuerFacts): void;
  /** Opens the card, with what has to be said first. */
  open(reason: string): void;
}

/** Takes the page's card and menu. */
export function createAccount(actions: AccountActions): Account {
  const card = byId<HTMLDialogElement>('sign-in');
  const menu = byId('account');
  const access = byId('access');
  let name: string | undefined;
  let wasIn = false;

  function open(reason: string): void {
    setText(byId('sign-in-reason'), reason);
    menu.hidePopover();
    if (!card.open) card.showModal();
    // Not on the button: nobody signs in by a key that was meant for something else.
    (byId('sign-in-issuer').hidden ? byId('token') : card).focus();
  }

  access.addEventListener('click', () => {
    if (access.classList.contains('attention')) open('');
    else if (menu.togglePopover()) void fill(name, actions.who());
  });
  byId('sign-in-issuer').addEventListener('click', actions.signIn);
  byId('sign-in-other').addEventListener('click', () => {
    byId<HTMLDetailsElement>('token-entry').open = true;
    open('');
    byId('token').focus();
  });
  byId('sign-out').addEventListener('click', () => {
    menu.hidePopover();
    actions.signOut();
  });
  byId<HTMLFormElement>('sign-in-form').addEventListener('submit', () => {
    const field = byId<HTMLInputElement>('token');
    const token = field.value.trim().replace(/^Bearer\s+/i, '');
    field.value = '';
    if (token !== '') actions.token(token);
  });

  return {
    open,
    show(state, facts) {
      name = facts.name;
      showIssuer(facts.host, state.kind === 'signing in');
      const isIn = state.kind === 'signed in';
      access.classList.toggle('attention', state.kind === 'signed out' || state.kind === 'over');
      document.body.classList.toggle('nobody', isNobody(state));
      // A renewal disturbs nobody who is typing.
      if (isIn && !wasIn) card.close();
      if (!isIn) menu.hidePopover();
      wasIn = isIn;
      if (state.kind === 'signed out') open(state.reason);
      if (state.kind === 'signing in' && !card.open) open('');
    },
  };
}

/** True where there is nothing to show, because nobody was let in yet. */
function isNobody(state: AccessState): boolean {
  if (state.kind === 'signing in') return isNobody(state.before);
  return state.kind === 'opening' || state.kind === 'signed out';
}

function showIssuer(host: string | undefined, isBusy: boolean): void {
  const button = byId<HTMLButtonElement>('sign-in-issuer');
  button.hidden = host === undefined;
  button.disabled = isBusy;
  button.classList.toggle('busy', isBusy);
  setText(button, isBusy ? `Signing in with ${host}…` : `Sign in with ${host}`);
  const entry = byId<HTMLDetailsElement>('token-entry');
  entry.classList.toggle('only', host === undefined);
  if (host === undefined) entry.open = true;
}

/** Writes who one is into the menu, as soon as the server has said it. */
async function fill(name: string | undefined, asked: Promise<Me>): Promise<void> {
  const facts = byId('account-facts');
  try {
    const me = await asked;
    setText(byId('account-name'), name ?? me.subject);
    const rows = [
      ...(name === undefined || name === me.subject ? [] : [['Subject', me.subject]]),
      ['Tenant', me.tenant],
      [me.roles.length === 1 ? 'Role' : 'Roles', me.roles.join(', ') || 'none'],
    ];
    facts.replaceChildren(
      ...rows.flatMap(([term, text]) => [el('dt', {}, term ?? ''), el('dd', {}, text ?? '')]),
    );
    setText(byId('account-fault'), '');
  } catch (thrown) {
    facts.replaceChildren();
    setText(byId('account-name'), name ?? 'Signed in');
    setText(byId('account-fault'), thrown instanceof Error ? thrown.message : String(thrown));
  }
}
