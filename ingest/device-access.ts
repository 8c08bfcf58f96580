// What a device with a token may do at the embedded broker: publish and subscribe below its own tenant, as far as the
// policy lets it and for as long as the token is good. Topics outside the rule `t/{tenant}/{asset}/{channel…}` belong
// to no tenant, so to nobody's token.

import type { Policy } from '../policies/decide/decision.ts';
import { sameSelectors } from '../policies/decide/renewal.ts';
import type { Claims, Grant } from '../policies/grant.ts';
import { isOver } from '../policies/tokens/verifier.ts';

/** What one connection may do. */
export interface DeviceAccess {
  mayPublish(topic: string, nowMs: number): boolean;
  /** A filter that leaves the asset open asks for all of the tenant's assets. */
  maySubscribe(filter: string, nowMs: number): boolean;
}

interface Place {
  readonly tenant: string;
  /** undefined where a filter leaves it open. */
  readonly asset: string | undefined;
  readonly channel: string;
}

/**
 * How long a decision about a topic is used again: asking the policy takes some 50 µs, which a device that publishes
 * thousands of times a second would pay each time.
 */
const DECISION_AGE_MAX_MS = 1_000;
const TOPICS_MAX = 1_000;

function place(topic: string): Place | undefined {
  const [root, tenant, asset, ...channel] = topic.split('/');
  if (root !== 't' || tenant === undefined || tenant === '' || isWildcard(tenant)) return undefined;
  return {
    tenant,
    asset: asset === undefined || isWildcard(asset) ? undefined : asset,
    channel: channel.join('/'),
  };
}

function isWildcard(part: string): boolean {
  return part === '+' || part === '#';
}

/** Makes the access of a connection whose token has these claims. */
export function createDeviceAccess(policy: Policy, claims: Claims): DeviceAccess {
  /** Decisions about topics, with the time until which they are good. */
  const remembered = new Map<string, { readonly grant: Grant; readonly untilMs: number }>();

  /** Its selectors stand in memory once, however many topics have the same: a list of assets may be long. */
  let newest: Grant | undefined;

  function share(grant: Grant): Grant {
    const same = newest !== undefined && sameSelectors(newest.selectors, grant.selectors);
    newest = same && newest !== undefined ? { ...grant, selectors: newest.selectors } : grant;
    return newest;
  }

  /** `renews` keeps a device's thousandth message from being recorded like its first. */
  function decidePublish(topic: string, nowMs: number, renews?: Grant): Grant | undefined {
    const { tenant, asset, channel } = place(topic) ?? {};
    if (tenant !== claims.tenant || asset === undefined || channel === undefined) return undefined;
    const labels = { tenant, asset, channel };
    const grant = policy.decide({ action: 'publish', claims, labels, nowMs, renews });
    return grant === renews ? grant : share(grant);
  }

  return {
    mayPublish(topic, nowMs) {
      if (isOver(claims, nowMs)) return false;
      const known = remembered.get(topic);
      if (known !== undefined && nowMs < known.untilMs) return known.grant.allow;
      const grant = decidePublish(topic, nowMs, known?.grant);
      if (grant === undefined) return false;
      if (known === undefined && remembered.size >= TOPICS_MAX) remembered.clear();
      remembered.set(topic, { grant, untilMs: nowMs + DECISION_AGE_MAX_MS });
      return grant.allow;
    },
    maySubscribe(filter, nowMs) {
      const { tenant, asset, channel } = place(filter) ?? {};
      if (tenant !== claims.tenant || channel === undefined) return false;
      if (isOver(claims, nowMs)) return false;
      const labels = asset === undefined ? { tenant, channel } : { tenant, asset, channel };
      return policy.decide({ action: 'subscribe', claims, labels, nowMs }).allow;
    },
  };
}
