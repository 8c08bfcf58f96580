// An issuer with what keeps its tokens renewed. A part of its own: a page that signs nobody in does not load it.
import type { SignIn } from '../wire.ts';
import { createIssuer, type Issuer } from './issuer.ts';
import { createRenewal, type Renewal, type RenewalListener } from './renewal.ts';
import { claimTab } from './tab.ts';

export interface Source {
  readonly issuer: Issuer;
  readonly renewal: Renewal;
  /** Whether what the tab has kept is its own, and no copy of another tab's. */
  readonly isOwn: Promise<boolean>;
}

/** Makes the source of tokens that the server named. */
export function openSource(signIn: SignIn, listener: RenewalListener): Source {
  const issuer = createIssuer(signIn);
  return { issuer, renewal: createRenewal(issuer, listener), isOwn: claimTab() };
}
