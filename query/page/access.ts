// Who the page is: signed in at the issuer, by a token that was typed in, or by the demo. Tokens live in memory and in
// the tab's session storage, never longer than the tab.
import { demoSession, signInFacts } from './api.ts';
import type { Tokens } from './sign-in/issuer.ts';
import { keepPending, pageAddress, type Return, viewAddress } from './sign-in/pending.ts';
import type { RenewalListener } from './sign-in/renewal.ts';
import type { Source } from './sign-in/source.ts';
import { type AccessEvent, type AccessState, nextAccessState } from './sign-in/state.ts';
import type { DemoSession } from './wire.ts';

const TYPED_KEY = 'tailrace.token';
const SESSION_KEY = 'tailrace.session';

export interface Access {
  token(): string | undefined;
  readonly state: AccessState;
  /** What the demo says, where this is one. */
  readonly demo: DemoSession | undefined;
  /** Where one signs in; undefined where only a token will do. */
  readonly issuerHost: string | undefined;
  /** What the issuer calls who is signed in. */
  readonly name: string | undefined;
  /** Finds a token: by the issuer's answer, the one kept in this tab, else the demo's. */
  open(back: Return): Promise<void>;
  /** The server refused the token. Says whether there is another. */
  renew(reason: string): Promise<boolean>;
  /** The token is about to end: gets another one now. */
  renewEarly(): void;
  /** Keeps a token that was typed in; the page has to be opened anew. */
  set(token: string): void;
  /** Leaves for the issuer. */
  signIn(): Promise<void>;
  /** Comes back from the issuer's page by the Back key, without an answer. */
  cameBack(): void;
  /** Forgets, and leaves for the issuer where it wants to know. */
  signOut(): Promise<void>;
}

export interface AccessListener {
  changed(state: AccessState, event: AccessEvent): void;
  /** There is a newer token of the same bearer. */
  renewed(): void;
}

interface Held {
  readonly listener: AccessListener;
  state: AccessState;
  token: string | undefined;
  demo: DemoSession | undefined;
  source: Source | undefined;
  session: Tokens | undefined;
  /** One question after a refusal at a time: many requests may be refused with one token. */
  asking: Promise<boolean> | undefined;
}

const STRANGER =
  'An answer came that belongs to no sign-in of this tab. Nothing of it was used; please start again.';

const INSECURE = 'Signing in needs this page over https. A token works here, too.';

/** Makes access that has no token yet. */
export function createAccess(listener: AccessListener): Access {
  const held: Held = {
    ...{ listener, state: { kind: 'opening' }, token: undefined, demo: undefined },
    ...{ source: undefined, session: undefined, asking: undefined },
  };
  return {
    token: () => held.token,
    get state() {
      return held.state;
    },
    get demo() {
      return held.demo;
    },
    get issuerHost() {
      return held.source?.issuer.host;
    },
    get name() {
      return held.session?.name;
    },
    open: (back) => open(held, back),
    renew(reason) {
      held.asking ??= another(held, reason).finally(() => {
        held.asking = undefined;
      });
      return held.asking;
    },
    renewEarly() {
      // One that lives for less than the warning's 30 s would be warned of, and renewed, without end.
      const isDue = held.session !== undefined && Date.now() >= held.session.renewAtMs;
      if (isDue) void held.source?.renewal.now();
    },
    set(given) {
      forget(held);
      sessionStorage.setItem(TYPED_KEY, given);
    },
    signIn: () => leave(held),
    cameBack() {
      if (held.state.kind === 'signing in') tell(held, { kind: 'failed', reason: '' });
    },
    signOut: () => signOut(held),
  };
}

function tell(held: Held, event: AccessEvent): void {
  held.state = nextAccessState(held.state, event);
  held.listener.changed(held.state, event);
}

async function open(held: Held, back: Return): Promise<void> {
  const [facts] = await Promise.all([signInFacts(), askDemo(held)]);
  // Without TLS browsers have no cryptography, and so there is no PKCE.
  if (facts !== undefined && window.isSecureContext) {
    const { openSource } = await import('./sign-in/source.ts');
    held.source = openSource(facts, renewalListener(held));
  }
  if (back.kind === 'answered' && held.source !== undefined) {
    await arrive(held, held.source, back);
    return;
  }
  tell(held, { kind: (await resume(held)) ? 'admitted' : 'nobody' });
  if (back.kind === 'stranger') tell(held, { kind: 'failed', reason: STRANGER });
  else if (facts !== undefined && held.source === undefined && held.token === undefined) {
    tell(held, { kind: 'failed', reason: INSECURE });
  }
}

function renewalListener(held: Held): RenewalListener {
  return {
    renewed(tokens) {
      hold(held, tokens);
      tell(held, { kind: 'admitted' });
      held.listener.renewed();
    },
    ends(tokens, reason) {
      keep(held, tokens);
      tell(held, { kind: 'ends', atMs: tokens.expiresAtMs, reason });
    },
  };
}

/** Says whether the demo has a token that is another than ours. */
async function askDemo(held: Held): Promise<boolean> {
  held.demo = (await demoSession()) ?? held.demo;
  if (held.demo === undefined || held.demo.token === held.token) return false;
  held.token = held.demo.token;
  return true;
}

/** Takes up what this tab kept, or else the demo's token. */
async function resume(held: Held): Promise<boolean> {
  const { source } = held;
  held.token = sessionStorage.getItem(TYPED_KEY) ?? held.token;
  const kept = readKept();
  if (kept === undefined || kept.issuer !== source?.issuer.name) return held.token !== undefined;
  // A refresh token is good once: the tab that this one was copied from will use it.
  const tokens = (await source.isOwn) ? kept : { ...kept, refresh: undefined };
  hold(held, tokens);
  source.renewal.watch(tokens);
  if (Date.now() >= tokens.renewAtMs) await source.renewal.now();
  return true;
}

async function arrive(
  held: Held,
  { issuer, renewal }: Source,
  { answer, pending }: Return & { kind: 'answered' },
): Promise<void> {
  tell(held, { kind: 'left' });
  try {
    const tokens = await issuer.tokensFor(answer, pending, pageAddress());
    hold(held, tokens);
    renewal.watch(tokens);
    tell(held, { kind: 'admitted' });
  } catch (thrown) {
    // Whoever went to sign in again, and gave it up, still has the token of before.
    if (await resume(held)) tell(held, { kind: 'admitted' });
    tell(held, { kind: 'failed', reason: wordsOf(thrown) });
  }
}

/** Another token after a refusal. A fresh one that is refused would be refused again, were it renewed. */
async function another(held: Held, reason: string): Promise<boolean> {
  const { session, source } = held;
  if (session !== undefined && source !== undefined) {
    const isFresh = Date.now() < session.renewAtMs;
    if (!isFresh && (await source.renewal.now())) return true;
    if (isFresh || held.session?.refresh === undefined) forget(held);
  } else {
    sessionStorage.removeItem(TYPED_KEY);
    if (await askDemo(held)) return true;
  }
  held.token = undefined;
  tell(held, { kind: 'refused', reason });
  return false;
}

async function leave(held: Held): Promise<void> {
  if (held.source === undefined) return;
  tell(held, { kind: 'left' });
  try {
    const { url, proof } = await held.source.issuer.question(pageAddress());
    keepPending({ kind: 'sign-in', ...proof, returnTo: viewAddress() });
    window.location.assign(url);
  } catch (thrown) {
    tell(held, { kind: 'failed', reason: wordsOf(thrown) });
  }
}

async function signOut(held: Held): Promise<void> {
  const { session, source } = held;
  forget(held);
  const way =
    session && (await source?.issuer.farewell(session, pageAddress()).catch(() => undefined));
  if (way === undefined) {
    window.location.reload();
    return;
  }
  keepPending({ kind: 'sign-out', state: way.state, returnTo: viewAddress() });
  window.location.assign(way.url);
}

function keep(held: Held, tokens: Tokens): void {
  held.session = tokens;
  sessionStorage.setItem(SESSION_KEY, JSON.stringify(tokens));
  sessionStorage.removeItem(TYPED_KEY);
}

function hold(held: Held, tokens: Tokens): void {
  keep(held, tokens);
  held.token = tokens.access;
}

function forget(held: Held): void {
  held.source?.renewal.stop();
  held.token = undefined;
  held.session = undefined;
  sessionStorage.removeItem(SESSION_KEY);
  sessionStorage.removeItem(TYPED_KEY);
}

function readKept(): Tokens | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION_KEY) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

function wordsOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
