// Who the page is: a token that was typed in and is kept until the tab is closed, or the demo's own.
import { demoSession } from './api.ts';
import type { DemoSession } from './wire.ts';

const KEY = 'tailrace.token';

export interface Access {
  token(): string | undefined;
  /** What the demo says, where this is one. */
  readonly demo: DemoSession | undefined;
  /** Finds a token: the one typed in before, else the demo's. Says whether there is one. */
  open(): Promise<boolean>;
  /** The token was refused: says whether there is another one, which only the demo has. */
  renew(): Promise<boolean>;
  set(token: string): void;
  forget(): void;
}

/** Makes access that has no token yet. */
export function createAccess(): Access {
  let token: string | undefined;
  let demo: DemoSession | undefined;

  async function askDemo(): Promise<boolean> {
    demo = (await demoSession()) ?? demo;
    if (demo === undefined || demo.token === token) return false;
    token = demo.token;
    return true;
  }

  return {
    token: () => token,
    get demo() {
      return demo;
    },
    async open() {
      await askDemo();
      token = sessionStorage.getItem(KEY) ?? token;
      return token !== undefined;
    },
    async renew() {
      sessionStorage.removeItem(KEY);
      return askDemo();
    },
    set(given) {
      token = given;
      sessionStorage.setItem(KEY, given);
    },
    forget() {
      token = undefined;
      sessionStorage.removeItem(KEY);
    },
  };
}
