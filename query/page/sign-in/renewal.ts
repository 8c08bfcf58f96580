// Keeps tokens renewed while the page is open, by the issuer's refresh token. One renewal at a time: a refresh token that
// is used twice ends the session at issuers that rotate them.
import type { Issuer, Tokens } from './issuer.ts';
import { SignInError } from './words.ts';

export interface RenewalListener {
  renewed(tokens: Tokens): void;
  /** There is no renewal any more: the session ends with this token. */
  ends(tokens: Tokens, reason: string): void;
}

export interface Renewal {
  /** Watches over these tokens from now on. */
  watch(tokens: Tokens): void;
  /** Renews now, or joins the renewal that is under way. Says whether there are newer tokens. */
  now(): Promise<boolean>;
  stop(): void;
}

const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 30_000;
/** Longer than this browsers' timers cannot wait. */
const TIMER_MOST_MS = 2 ** 31 - 1;

/** Makes a renewal that watches nothing. */
export function createRenewal(issuer: Issuer, listener: RenewalListener): Renewal {
  let watched: Tokens | undefined;
  let timer: number | undefined;
  let running: Promise<boolean> | undefined;
  let failures = 0;

  function wait(ms: number): void {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => void now(), Math.min(Math.max(0, ms), TIMER_MOST_MS));
  }

  async function renew(tokens: Tokens): Promise<boolean> {
    if (tokens.refresh === undefined) {
      listener.ends(tokens, `${issuer.host} gave this tab no way to renew it.`);
      return false;
    }
    try {
      const newer = await issuer.renew(tokens);
      if (watched !== tokens) return false;
      watch(newer);
      listener.renewed(newer);
      return true;
    } catch (thrown) {
      if (watched !== tokens) return false;
      if (thrown instanceof SignInError && !thrown.isFinal) {
        wait(Math.min(RETRY_LAST_MS, RETRY_FIRST_MS * 2 ** failures++));
        return false;
      }
      watched = { ...tokens, refresh: undefined };
      listener.ends(watched, thrown instanceof Error ? thrown.message : String(thrown));
      return false;
    }
  }

  function now(): Promise<boolean> {
    if (watched === undefined) return Promise.resolve(false);
    running ??= renew(watched).finally(() => {
      running = undefined;
    });
    return running;
  }

  function watch(tokens: Tokens): void {
    watched = tokens;
    failures = 0;
    wait(tokens.renewAtMs - Date.now());
  }

  return {
    watch,
    now,
    stop() {
      watched = undefined;
      window.clearTimeout(timer);
    },
  };
}
