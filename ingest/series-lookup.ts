// From a topic (with labels and keys in its payload) to the series: worked out once, then remembered.
import type { Metrics } from '../lib/metrics.ts';
import type { Series, SeriesIdentity } from '../store/series.ts';
import { labelsKey } from '../store/series-index.ts';
import type { Fault } from './fault.ts';
import type { LiveTopicRules, TopicMatch } from './topics/rules.ts';
import { channelFault, channelOf, type TopicTarget, unitOf } from './topics/target.ts';

type Labels = Readonly<Record<string, string>>;

/** One channel: its series as soon as there is one, or why there never will be. */
export interface Channel extends SeriesIdentity {
  readonly unit: string | null;
  /** tenant, asset, channel and labels in one: neither of the first two holds a slash. */
  readonly key: string;
  readonly fault: Fault | undefined;
  series: Series | undefined;
}

/** The channels of a topic under one set of labels. */
export interface Channels {
  /** The topic's own channel for '', else the sub-channel of that key. */
  channel(key: string): Channel;
}

export interface Topic {
  readonly match: TopicMatch;
  /** '' where no rule takes it. */
  readonly tenant: string;
  /** Channels with the labels that the topic itself gives. Not for a topic that no rule takes, nor for a dropped one. */
  readonly plain: Channels;
  /** Channels with the payload's labels too; `text` tells sets of them apart, '' is none. */
  labelled(text: string, parse: () => Labels): Channels;
}

export interface SeriesLookup {
  topic(name: string): Topic;
}

interface RememberedTopic extends Topic {
  /** Ends its being counted; gives back how much it was counted for. */
  forget(): number;
}

/** Finds a series, if the catalogue knows it. */
export type FindSeries = (identity: SeriesIdentity) => Series | undefined;

const CHANNELS_MAX = 500_000;
/** In characters: each that has begun counts as one more of what is remembered, so that its bytes are bounded, too. */
const TEXT_SHARE = 256;
/** In characters. No channel is as long (`channelFault`), and labels that are will hardly come again. */
export const KEY_LENGTH_MAX = 1_024;
/** Of what may be remembered, what is kept when it gets too much. */
const KEPT_SHARE = 7 / 8;

const NO_TARGET: TopicTarget = { tenant: '', asset: '', channel: '', labels: {} };
/** Of a reading that has no place. */
export const CHANNEL_MISSING: Fault = {
  code: 'channel_missing',
  reason: 'The topic names no channel, and the reading has no key that could stand for one.',
};
/** Of a reading whose key alone is longer than a channel may be: said without making a text of it. */
export const KEY_TOO_LONG: Fault = {
  code: 'topic_invalid',
  reason: `A key of the payload is longer than ${KEY_LENGTH_MAX} characters.`,
};

/** How many of what is remembered a text counts as. */
function weightOf(text: string): number {
  return 1 + Math.floor(text.length / TEXT_SHARE);
}

/**
 * Makes a lookup that remembers up to `channelsMax` topics, sets of labels and channels together, those with long
 * texts counted several times, and forgets the topics that it has known longest; all of them when the rules change. What
 * cannot be a channel is not remembered.
 */
export function createSeriesLookup(
  find: FindSeries,
  rules: LiveTopicRules,
  metrics: Metrics,
  channelsMax: number = CHANNELS_MAX,
): SeriesLookup {
  const topics = new Map<string, RememberedTopic>();
  let remembered = 0;
  metrics.bounded('ingest_channels', () => remembered, channelsMax);
  rules.onChange(() => {
    for (const topic of topics.values()) topic.forget();
    topics.clear();
    remembered = 0;
  });

  /** Many at a time: what was deleted from the front of a Map is walked over whenever it is walked again. */
  function forget(): void {
    const kept = Math.floor(channelsMax * KEPT_SHARE);
    for (const [name, topic] of topics) {
      if (remembered <= kept) return;
      topics.delete(name);
      remembered -= topic.forget();
    }
  }

  function remember(text: string): void {
    remembered += weightOf(text);
    if (remembered > channelsMax) forget();
  }

  function createTopic(name: string): RememberedTopic {
    const match = rules.current().match(name);
    const target = match.kind === 'target' ? match.target : NO_TARGET;
    let counted = weightOf(name);
    let forgotten = false;

    function count(text: string): void {
      if (forgotten) return;
      counted += weightOf(text);
      remember(text);
    }

    /** With labels of too long a text it is not remembered, and what it remembers itself is not counted. */
    function createChannels(labels: Labels, isCounted: boolean): Channels {
      // Most topics have the one channel without a key, and none of the maps.
      let own: Channel | undefined;
      let keyed: Map<string, Channel> | undefined;
      return {
        channel(key) {
          if (key.length > KEY_LENGTH_MAX) return createFaultyChannel(target, labels, KEY_TOO_LONG);
          let found = key === '' ? own : keyed?.get(key);
          if (found === undefined) {
            found = createChannel(target, key, labels);
            if (found.fault !== undefined) return found;
            if (key === '') own = found;
            else keyed = (keyed ?? new Map<string, Channel>()).set(key, found);
            if (isCounted) count(found.key);
          }
          found.series ??= find(found);
          return found;
        },
      };
    }

    const plain = createChannels(target.labels, true);
    let sets: Map<string, Channels> | undefined;
    return {
      match,
      tenant: target.tenant,
      plain,
      labelled(text, parse) {
        if (text === '') return plain;
        let set = sets?.get(text);
        if (set === undefined) {
          // What the topic says of itself stands.
          const isShort = text.length <= KEY_LENGTH_MAX;
          set = createChannels({ ...parse(), ...target.labels }, isShort);
          if (!isShort) return set;
          sets ??= new Map();
          sets.set(text, set);
          count(text);
        }
        return set;
      },
      forget() {
        forgotten = true;
        return counted;
      },
    };
  }

  return {
    topic(name) {
      const known = topics.get(name);
      if (known !== undefined) return known;
      const made = createTopic(name);
      topics.set(name, made);
      remember(name);
      return made;
    },
  };
}

function createChannel(target: TopicTarget, key: string, labels: Labels): Channel {
  const { tenant, asset } = target;
  const channel = channelOf(target, key);
  const name = `${tenant}/${asset}/${channel}`;
  const labelText = labelsKey(labels);
  return {
    tenant,
    asset,
    channel,
    labels,
    unit: unitOf(target, key),
    // A channel has no control characters.
    key: labelText === '' ? name : `${name}\n${labelText}`,
    fault: channel === '' ? CHANNEL_MISSING : channelFault(channel),
    series: undefined,
  };
}

/** What stands for a channel that cannot be, without its name. */
function createFaultyChannel(
  { tenant, asset }: TopicTarget,
  labels: Labels,
  fault: Fault,
): Channel {
  return { tenant, asset, channel: '', labels, unit: null, key: '', fault, series: undefined };
}
