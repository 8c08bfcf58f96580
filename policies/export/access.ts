// What a principal may publish and subscribe to, as MQTT topic filters below t/{tenant}/. What a grant says that topic
// filters cannot say is never rounded up: it is a fault, or no access.
import { messageOf } from '../../lib/errors.ts';
import { formatSelector, type Matcher, type Selector } from '../../lib/selector.ts';
import type { Decider } from '../decide/decision.ts';
import type { Grant } from '../grant.ts';
import type { Principal } from './principals.ts';

/** Topic filters, and in words why they are these. */
export interface TopicAccess {
  readonly filters: readonly string[];
  readonly reason: string;
}

export interface BrokerAccess {
  readonly username: string;
  readonly publish: TopicAccess;
  readonly subscribe: TopicAccess;
}

/** What the policy grants each principal, or what about it cannot be said in topic filters. */
export interface ExportedAccess {
  readonly access: readonly BrokerAccess[];
  /** One sentence each, beginning with the user. */
  readonly faults: readonly string[];
}

/** The topics of tailrace's own account: the default rule's, and Sparkplug B's. */
export const INGESTER_FILTERS = ['t/#', 'spBv1.0/#'] as const;

/** Control characters, MQTT's wildcards and characters that are no text (lone surrogates). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NO_TOPIC_NAME = /[\u0000-\u001f\u007f-\u009f+#\p{Cs}]/u;

/** Asks the policy for every principal, as of `nowMs`. */
export function exportAccess(
  policy: Decider,
  principals: readonly Principal[],
  nowMs: number,
): ExportedAccess {
  const faults: string[] = [];
  const access = principals.map((principal): BrokerAccess => {
    function ask(action: 'publish' | 'subscribe'): TopicAccess {
      try {
        return topicAccess(policy.decide({ action, claims: principal.claims, nowMs }));
      } catch (thrown) {
        faults.push(`user ${principal.username}, ${action}: ${messageOf(thrown)}`);
        return { filters: [], reason: 'not expressible' };
      }
    }
    return {
      username: principal.username,
      publish: ask('publish'),
      subscribe: ask('subscribe'),
    };
  });
  return { access, faults };
}

/** The topic filters of one grant. @throws Error where its selectors cannot be said as topic filters. */
function topicAccess(grant: Grant): TopicAccess {
  const { allow, action, reason, selectors, obligations } = grant;
  if (!allow) return { filters: [], reason };
  const held = Object.keys(obligations);
  if (action === 'subscribe' && held.length > 0) {
    return { filters: [], reason: `a broker cannot hold to ${held.join(', ')}` };
  }
  const tenant = level(grant.tenant, 'the tenant');
  const filters = selectors.flatMap((selector) => topicFilters(tenant, selector, action));
  return { filters: [...new Set(filters)], reason };
}

/** The topics of one selector: none where its matchers contradict each other. */
function topicFilters(tenant: string, selector: Selector, action: string): string[] {
  const assets = valuesOf(selector, 'asset');
  const channels = valuesOf(selector, 'channel');
  const rest = selector.find((matcher) => !isPlace(matcher));
  if (rest !== undefined) {
    const said = formatSelector([rest]);
    throw new Error(`${said} cannot be said as a topic filter: only asset= and channel= can`);
  }
  if (assets.length > 1 || channels.length > 1) return [];
  const [asset] = assets;
  const [channel] = channels;
  const root = `t/${tenant}`;
  if (asset === undefined && channel === undefined) {
    // Whoever subscribes asks for all of it by this very filter; what is published has an asset.
    return [action === 'subscribe' ? `${root}/#` : `${root}/+/#`];
  }
  const place = `${root}/${asset === undefined ? '+' : level(asset, 'the asset')}`;
  return [channel === undefined ? `${place}/#` : `${place}/${levels(channel)}`];
}

function isPlace({ label, op }: Matcher): boolean {
  return op === '=' && (label === 'asset' || label === 'channel');
}

function valuesOf(selector: Selector, label: string): string[] {
  const matchers = selector.filter((matcher) => matcher.label === label && isPlace(matcher));
  return [...new Set(matchers.map(({ value }) => value))];
}

/** A name that is one level of a topic. */
function level(name: string, what: string): string {
  if (name.includes('/')) throw new Error(`${what} ${JSON.stringify(name)} has a slash in it`);
  return levels(name, what);
}

function levels(name: string, what = 'the channel'): string {
  if (name === '') throw new Error(`${what} is empty`);
  if (NO_TOPIC_NAME.test(name) || name.trim() !== name) {
    throw new Error(`${what} ${JSON.stringify(name)} cannot stand in a topic filter`);
  }
  return name;
}
