// Whether an answer that takes long may go on: tokens end, are revoked, and rules change while it is sent.
import type { Clock } from '../../lib/clock.ts';
import { TailraceError } from '../../lib/errors.ts';
import { type Claims, type Grant, redactSeries, seriesFilter } from '../../policies/grant.ts';
import { isOver } from '../../policies/tokens/verifier.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import type { Series } from '../../store/series.ts';
import { type Authority, requireAllowed } from '../authority.ts';
import type { RequestFacts } from '../http/routes.ts';

export interface StillAllowedSources {
  readonly authority: Pick<Authority, 'ask' | 'revocations'>;
  readonly catalogue: Pick<Catalogue, 'byId'>;
  readonly clock: Clock;
}

/** On what an answer was begun. */
export interface Begun {
  readonly claims: Claims;
  readonly grant: Grant;
  readonly facts: RequestFacts;
  /** As they are shown. */
  readonly series: readonly Series[];
}

/** What may not change in the middle of an answer. */
function termsOf(grant: Grant, series: readonly Series[]): string {
  return JSON.stringify([grant.obligations, series]);
}

/**
 * Makes the check of one answer, to be called before each part of it: some 30 µs, because the policy is asked again each
 * time. A decision that says something else of this answer ends it, since what was sent cannot be taken back.
 *
 * @returns a function that throws TailraceError `token_expired`, `token_revoked`, `forbidden`
 */
export function stillAllowed(begun: Begun, sources: StillAllowedSources): () => void {
  const { claims, facts, series } = begun;
  const { authority, catalogue, clock } = sources;
  const terms = termsOf(begun.grant, series);
  let { grant } = begun;
  return () => {
    const nowMs = clock();
    if (isOver(claims, nowMs)) throw new TailraceError('token_expired', 'The token is over.');
    if (authority.revocations.isRevoked(claims)) {
      throw new TailraceError('token_revoked', 'The token was revoked.');
    }
    const renewed = authority.ask('range', claims, facts, nowMs, { renews: grant });
    if (renewed === grant) return;
    grant = requireAllowed(renewed);
    const known = series.flatMap(({ id }) => catalogue.byId(id) ?? []);
    const shown = known.filter(seriesFilter(grant)).map((one) => redactSeries(grant, one));
    if (termsOf(grant, shown) === terms) return;
    throw new TailraceError('forbidden', 'The policy allows something else now: ask again.');
  };
}
