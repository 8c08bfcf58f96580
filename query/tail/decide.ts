// Deciding a tail again, and what a decision that says something else does to its subscriptions: what is hidden now is
// forgotten before anything is sent, and what takes longer is put off to the connection's turn.
import { encodeCursor, type Position } from '../../lib/feed/feed.ts';
import { sameObligations, sameSelectors } from '../../policies/decide/renewal.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import { isOver } from '../../policies/tokens/verifier.ts';
import { resolveChoice, selectCreated } from '../choice.ts';
import { type Beginning, CLOSE, type Connection, close, type Held, newsOf } from './connection.ts';
import { askFor, isDue, isRevoked, renewRight } from './right.ts';

/** The obligations that a subscription is built around. The others are looked at whenever something is sent. */
export function shapeOf({ obligations }: Grant): string {
  const { delay_ms, finest_step_ms, lookback_ms, max_rate_hz, max_series } = obligations;
  return JSON.stringify([delay_ms, finest_step_ms, lookback_ms, max_rate_hz, max_series]);
}

/** Series of a subscription that its frame still finds. */
function stillFound({ right, services }: Connection, { frame, subscription }: Held): Set<number> {
  const { catalogue } = services;
  const { choice } = frame;
  if (choice.kind === 'names') {
    const { series } = resolveChoice(choice, right.grant, catalogue);
    return new Set(series.map((one) => one.id));
  }
  const series = Array.from(subscription.seriesIds).flatMap((id) => catalogue.byId(id) ?? []);
  return new Set(selectCreated(choice.selector, right.grant, series).map((one) => one.id));
}

/** Takes out what is hidden now, and all that waits of it. */
function narrow(connection: Connection, one: Held): void {
  const { subscription, poll } = one;
  const found = stillFound(connection, one);
  const hidden = Array.from(subscription.seriesIds).filter((id) => !found.has(id));
  if (hidden.length === 0) return;
  connection.services.cohorts.leave(one);
  one.seriesKey = undefined;
  connection.services.hub.narrow(subscription, hidden);
  subscription.remove(hidden);
  // The page that was to come next counts series that are not there any more.
  if (poll !== undefined) Object.assign(poll, { page: undefined, narrowings: poll.narrowings + 1 });
  const { added, removed } = newsOf(one);
  for (const id of hidden) if (!added.delete(id)) removed.add(id);
}

/** Where a subscription goes on, so that nothing is missed and as little as may be comes twice. */
function resumeOf({ stage, resume, poll, subscription }: Held, here: Position): Beginning {
  if (stage === 'opening') return resume;
  // A snapshot that was on its way is not sent any more, and what is read from the table has no place in the feed.
  if (stage === 'subscribed' || poll !== undefined) return 'lost';
  return { since: encodeCursor(subscription.behind ?? here) };
}

/** Stops a subscription, until its turn to be built again has come. */
function suspend({ services: { hub, cohorts } }: Connection, one: Held): void {
  cohorts.leave(one);
  one.resume = resumeOf(one, hub.position());
  one.stage = 'suspended';
  hub.detach(one.subscription);
}

/** Makes the subscriptions follow a decision that has come in force in the place of another. */
function follow(connection: Connection, before: Grant): void {
  const { right, held, services, rechecked } = connection;
  const { grant } = right;
  const isSame =
    sameObligations(before.obligations, grant.obligations) &&
    sameSelectors(before.selectors, grant.selectors);
  if (isSame) return;
  const shape = shapeOf(grant);
  for (const one of held.values()) {
    if (one.stage === 'suspended') continue;
    if (one.shape === shape) narrow(connection, one);
    else suspend(connection, one);
  }
  right.mayBeWider = true;
  services.rechecks.completeSoon(rechecked);
}

/** Puts a decision that allows the tail in force, for the claims that it was taken for. */
export function adopt(connection: Connection, claims: Claims, grant: Grant, nowMs: number): void {
  const before = connection.right.grant;
  renewRight(connection, claims, grant, nowMs);
  if (grant !== before) follow(connection, before);
}

/** Ends a connection whose token is over or revoked. */
function endIfOver(connection: Connection, nowMs: number): void {
  const { right, services } = connection;
  if (isOver(right.claims, nowMs)) close(connection, CLOSE.expired, 'the token is over');
  else if (isRevoked(right, services)) close(connection, CLOSE.forbidden, 'the token was revoked');
}

/** Decides again, now. False where that ended the connection, or it had ended before. */
export function decideAgain(connection: Connection): boolean {
  const nowMs = connection.services.clock();
  endIfOver(connection, nowMs);
  if (!connection.isOpen) return false;
  const { claims } = connection.right;
  const grant = askFor(connection, claims, nowMs);
  if (grant.allow) adopt(connection, claims, grant, nowMs);
  else close(connection, CLOSE.forbidden, grant.reason);
  return connection.isOpen;
}

/** As `decideAgain`, but asks the policy only where that is due: for other rules, or after a minute. */
export function settle(connection: Connection): boolean {
  const nowMs = connection.services.clock();
  endIfOver(connection, nowMs);
  if (!connection.isOpen) return false;
  return isDue(connection, nowMs) ? decideAgain(connection) : true;
}
