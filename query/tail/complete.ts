// What a changed decision leaves to be done in a connection's turn: subscriptions whose obligations changed are built
// again, and series that a wider decision allows are looked for.
import type { Metrics } from '../../lib/metrics.ts';
import type { Grant } from '../../policies/grant.ts';
import type { Catalogue } from '../../store/catalogue.ts';
import { type Choice, resolveChoice } from '../choice.ts';
import { type Connection, fail, flushAll, type Held, isFlowing, newsOf } from './connection.ts';
import { settle } from './decide.ts';
import { checkSeriesCount, renew } from './subscribe.ts';

/** Questions whose answers are kept: after a new bundle thousands of tails ask the same few. */
const KEPT_MAX = 16;

export interface Finder {
  /** Ids of the series that a choice finds under a grant. Throws what `resolveChoice` throws. */
  find(choice: Choice, grant: Grant): readonly number[];
}

/** Looks through the catalogue, once for all who ask the same. */
export function createFinder(catalogue: Catalogue, metrics: Metrics): Finder {
  const kept = new Map<string, readonly number[]>();
  let size = -1;
  metrics.bounded('tail_choices', () => kept.size, KEPT_MAX);
  return {
    find(choice, grant) {
      // Series only ever come; with another size the answers may be others too.
      if (catalogue.size !== size || kept.size >= KEPT_MAX) kept.clear();
      size = catalogue.size;
      const { tenant, selectors, obligations } = grant;
      const question = JSON.stringify([tenant, choice, selectors, obligations.redact]);
      const known = kept.get(question);
      if (known !== undefined) return known;
      const found = resolveChoice(choice, grant, catalogue).series.map((one) => one.id);
      kept.set(question, found);
      return found;
    },
  };
}

/** Adds series that a subscription follows from now on; what went by before of them is the caller's to give. */
export function addSeries(connection: Connection, one: Held, ids: readonly number[]): void {
  const { subscription } = one;
  checkSeriesCount(subscription.seriesIds.size + ids.length, connection.right.grant);
  connection.services.cohorts.leave(one);
  one.seriesKey = undefined;
  subscription.add(ids);
  connection.services.hub.widen(subscription, ids);
  const { added, removed } = newsOf(one);
  for (const id of ids) if (!removed.delete(id)) added.add(id);
}

function widen(connection: Connection, one: Held): void {
  const { right, services } = connection;
  const found = services.finder.find(one.frame.choice, right.grant);
  const added = found.filter((id) => !one.subscription.seriesIds.has(id));
  if (added.length > 0) addSeries(connection, one, added);
}

/** Does what is left to be done since the decision changed; never rejects. */
export async function complete(connection: Connection): Promise<void> {
  const { right, held } = connection;
  const { mayBeWider } = right;
  // Another decision that comes in between says so again.
  right.mayBeWider = false;
  for (const one of [...held.values()]) {
    if (!settle(connection)) return;
    if (held.get(one.frame.id) !== one) continue;
    try {
      // Who takes nothing now is sent no snapshot on top: it comes here again when it has.
      if (one.stage === 'suspended' && !isFlowing(connection)) continue;
      if (one.stage === 'suspended') await renew(connection, one);
      else if (mayBeWider) widen(connection, one);
    } catch (thrown) {
      fail(connection, thrown, one.frame.id);
    }
  }
  flushAll(connection);
}
