// What a device with a token may do at the embedded broker: publish and subscribe below its own tenant, as far as the
// policy lets it and for as long as the token is good. Whose a topic is, the topic rules say; one that no rule takes is
// its tenant's whom its dead letters belong to (`t/{tenant}/…`), else nobody's. What a rule drops is nobody's either,
// and may be sent by all: it comes to nothing.

import type { Policy } from '../policies/decide/decision.ts';
import { sameSelectors } from '../policies/decide/renewal.ts';
import { allows, type Claims, type Grant } from '../policies/grant.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';
import { isOver } from '../policies/tokens/verifier.ts';
import type { LiveTopicRules, TopicMatch, TopicRules } from './topics/rules.ts';

/** What one connection may do. */
export interface DeviceAccess {
  mayPublish(topic: string, nowMs: number): boolean;
  /** A filter that leaves the asset open asks for all of the tenant's assets. */
  maySubscribe(filter: string, nowMs: number): boolean;
  /** Whether a message of a topic may be forwarded to it: a filter with wildcards may cover more than its bearer may. */
  mayReceive(topic: string, nowMs: number): boolean;
  /** Whether its token is over or revoked. */
  hasEnded(nowMs: number): boolean;
  /** Forgets what the policy said: other rules are in force. */
  forget(): void;
}

export interface DeviceAccessOptions {
  readonly policy: Policy;
  readonly revocations: Pick<Revocations, 'isRevoked'>;
  readonly claims: Claims;
  readonly topicRules: Pick<LiveTopicRules, 'current'>;
}

interface Place {
  readonly tenant: string;
  /** undefined where a filter leaves it open. */
  readonly asset: string | undefined;
  readonly channel: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * How long a decision about a topic is used again: asking the policy takes some 50 µs, which a device that publishes
 * thousands of times a second would pay each time.
 */
const DECISION_AGE_MAX_MS = 1_000;
const TOPICS_MAX = 1_000;

/** Where a topic of the default form, or a filter, says that it belongs. */
function placeByName(topic: string): Place | undefined {
  const [root, tenant, asset, ...channel] = topic.split('/');
  if (root !== 't' || tenant === undefined || tenant === '' || isWildcard(tenant)) return undefined;
  return {
    tenant,
    asset: asset === undefined || isWildcard(asset) ? undefined : asset,
    channel: channel.join('/'),
  };
}

/** Where a topic belongs; undefined for nowhere. */
function placeOf(match: TopicMatch, topic: string): Place | undefined {
  if (match.kind === 'target') return match.target;
  return match.kind === 'fault' ? (match.place ?? placeByName(topic)) : undefined;
}

function hasWildcards(filter: string): boolean {
  return filter.split('/').some(isWildcard);
}

function isWildcard(part: string): boolean {
  return part === '+' || part === '#';
}

/**
 * Obligations that a broker cannot hold a subscriber to: it forwards what comes, as it comes. Who has one of these uses
 * tails.
 */
const UNENFORCEABLE = [
  'finest_step_ms',
  'lookback_ms',
  'delay_ms',
  'max_series',
  'max_rate_hz',
  'redact',
] as const;

function isEnforceable({ obligations }: Grant): boolean {
  return UNENFORCEABLE.every((name) => obligations[name] === undefined);
}

/** What the policy said about a topic or a filter, and until when that is good. */
interface Remembered {
  readonly grant: Grant;
  readonly may: boolean;
  readonly untilMs: number;
  /** Which rules of the policy said so, counted. */
  readonly round: number;
  readonly topicRules: TopicRules;
}

/** Asks about a topic, or a filter, at most once a second, and remembers a bounded number of them. */
interface TopicDecisions {
  may(topic: string, nowMs: number): boolean;
  forget(): void;
}

/** What is asked for: to publish to a topic, a filter to subscribe to, or a message of a topic that one covers. */
type Asked = 'publish' | 'filter' | 'message';

function createTopicDecisions(options: DeviceAccessOptions, asked: Asked): TopicDecisions {
  const { policy, claims, topicRules } = options;
  const action = asked === 'publish' ? 'publish' : 'subscribe';
  const remembered = new Map<string, Remembered>();
  /** Its selectors stand in memory once, however many topics have the same: a list of assets may be long. */
  let newest: Grant | undefined;
  /** More topics than are remembered: from then on those that get the same answer are recorded as one. */
  let hasOverflowed = false;
  let round = 0;

  function share(grant: Grant): Grant {
    const same = newest !== undefined && sameSelectors(newest.selectors, grant.selectors);
    newest = same && newest !== undefined ? { ...grant, selectors: newest.selectors } : grant;
    return newest;
  }

  /** `renews` keeps a device's thousandth message from being recorded like its first. */
  function decide(topic: string, nowMs: number, renews?: Grant): Remembered | undefined {
    const place = placeAsked(topic);
    if (place === undefined || place.tenant !== claims.tenant) return undefined;
    const { tenant, asset, channel } = place;
    if (asset === undefined && asked !== 'filter') return undefined;
    const names = asset === undefined ? { tenant, channel } : { tenant, asset, channel };
    const labels = { ...place.labels, ...names };
    const decided = policy.decide({ action, claims, labels, nowMs, renews });
    const grant = decided === renews ? decided : share(decided);
    const may = covers(grant, place) && (asked === 'publish' || isEnforceable(grant));
    const untilMs = nowMs + DECISION_AGE_MAX_MS;
    return { grant, may, untilMs, round, topicRules: topicRules.current() };
  }

  /** A filter with wildcards stands for many topics: which of its messages come through is asked one by one. */
  function placeAsked(topic: string): Place | undefined {
    if (asked === 'filter' && hasWildcards(topic)) return placeByName(topic);
    return placeOf(topicRules.current().match(topic), topic);
  }

  /** A filter may cover more than the grant does: each message is looked at, too. */
  function covers(grant: Grant, { asset, channel, labels = {} }: Place): boolean {
    if (asked === 'filter' || asset === undefined) return grant.allow;
    return allows(grant, { tenant: claims.tenant, asset, channel, labels });
  }

  function isGood(known: Remembered, nowMs: number): boolean {
    const isOfThese = known.round === round && known.topicRules === topicRules.current();
    return isOfThese && nowMs < known.untilMs;
  }

  return {
    may(topic, nowMs) {
      const known = remembered.get(topic);
      if (known !== undefined && isGood(known, nowMs)) return known.may;
      const decided = decide(topic, nowMs, known?.grant ?? (hasOverflowed ? newest : undefined));
      if (decided === undefined) return false;
      if (known === undefined && remembered.size >= TOPICS_MAX) {
        hasOverflowed = true;
        remembered.clear();
      }
      remembered.set(topic, decided);
      return decided.may;
    },
    // What was said stays, as what the next decision renews.
    forget() {
      round += 1;
    },
  };
}

/** Makes the access of a connection whose token has these claims. */
export function createDeviceAccess(options: DeviceAccessOptions): DeviceAccess {
  const { revocations, claims, topicRules } = options;
  const publishing = createTopicDecisions(options, 'publish');
  const subscribing = createTopicDecisions(options, 'filter');
  const receiving = createTopicDecisions(options, 'message');

  const isDropped = (topic: string) => topicRules.current().match(topic).kind === 'drop';
  const hasEnded = (nowMs: number) => isOver(claims, nowMs) || revocations.isRevoked(claims);

  return {
    hasEnded,
    mayPublish: (topic, nowMs) =>
      !hasEnded(nowMs) && (publishing.may(topic, nowMs) || isDropped(topic)),
    maySubscribe: (filter, nowMs) => !hasEnded(nowMs) && subscribing.may(filter, nowMs),
    mayReceive: (topic, nowMs) => !hasEnded(nowMs) && receiving.may(topic, nowMs),
    forget() {
      for (const decisions of [publishing, subscribing, receiving]) decisions.forget();
    },
  };
}
