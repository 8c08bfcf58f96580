// What a device with a token may do at the embedded broker: publish and subscribe below its own tenant, as far as the
// policy lets it. Topics outside the rule `t/{tenant}/{asset}/{channel…}` belong to no tenant, so to nobody's token.
import type { Claims } from '../policies/grant.ts';
import type { Policy } from '../policies/policy.ts';

interface Place {
  readonly tenant: string;
  /** undefined where a filter leaves it open. */
  readonly asset: string | undefined;
  readonly channel: string;
}

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

/** Whether a device may publish to a topic. */
export function mayPublish(policy: Policy, claims: Claims, topic: string, nowMs: number): boolean {
  const { tenant, asset, channel } = place(topic) ?? {};
  if (tenant !== claims.tenant || asset === undefined || channel === undefined) return false;
  return policy.decide({ action: 'publish', claims, labels: { tenant, asset, channel }, nowMs })
    .allow;
}

/** Whether a device may subscribe to a filter. One that leaves the asset open asks for all of the tenant's assets. */
export function maySubscribe(
  policy: Policy,
  claims: Claims,
  filter: string,
  nowMs: number,
): boolean {
  const { tenant, asset, channel } = place(filter) ?? {};
  if (tenant !== claims.tenant || channel === undefined) return false;
  const labels = asset === undefined ? { tenant, channel } : { tenant, asset, channel };
  return policy.decide({ action: 'subscribe', claims, labels, nowMs }).allow;
}
