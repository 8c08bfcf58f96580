// From a topic (and a key in its payload) to the series: worked out once, then remembered.
import type { Metrics } from '../lib/metrics.ts';
import type { Series } from '../store/series.ts';
import { channelFault, type Fault, parseTopic, type TopicTarget } from './topic-rule.ts';

/** One channel: its series as soon as there is one, or why there never will be. */
export interface Channel {
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  /** tenant, asset and channel in one: neither of the first two holds a slash. */
  readonly key: string;
  readonly fault: Fault | undefined;
  series: Series | undefined;
}

export interface Topic {
  readonly fault: Fault | undefined;
  /** The topic's own channel for '', else the sub-channel of that key. Not for a topic with a fault. */
  channel(key: string): Channel;
}

export interface SeriesLookup {
  topic(name: string): Topic;
}

interface RememberedTopic extends Topic {
  /** Ends its being counted; gives back how much it was counted for. */
  forget(): number;
}

/** Finds the series without labels, if the catalogue knows it. */
export type FindSeries = (tenant: string, asset: string, channel: string) => Series | undefined;

const CHANNELS_MAX = 500_000;

const NO_TARGET: TopicTarget = { tenant: '', asset: '', channel: '' };

/**
 * Makes a lookup that remembers up to `channelsMax` channels and topics together, and forgets the topics that it has
 * known longest.
 */
export function createSeriesLookup(
  find: FindSeries,
  metrics: Metrics,
  channelsMax: number = CHANNELS_MAX,
): SeriesLookup {
  const topics = new Map<string, RememberedTopic>();
  let remembered = 0;
  metrics.bounded('ingest_channels', () => remembered, channelsMax);

  function forget(): void {
    for (const [name, topic] of topics) {
      if (remembered <= channelsMax) return;
      topics.delete(name);
      remembered -= topic.forget();
    }
  }

  function createTopic(name: string): RememberedTopic {
    const parsed = parseTopic(name);
    const fault = 'code' in parsed ? parsed : undefined;
    const target = 'code' in parsed ? NO_TARGET : parsed;
    const channels = new Map<string, Channel>();
    let forgotten = false;

    function createChannel(key: string): Channel {
      const { tenant, asset } = target;
      const channel = key === '' ? target.channel : `${target.channel}/${key}`;
      const made: Channel = {
        tenant,
        asset,
        channel,
        key: `${tenant}/${asset}/${channel}`,
        fault: channelFault(channel),
        series: undefined,
      };
      channels.set(key, made);
      if (!forgotten && ++remembered > channelsMax) forget();
      return made;
    }

    return {
      fault,
      forget() {
        forgotten = true;
        return channels.size + 1;
      },
      channel(key) {
        const found = channels.get(key) ?? createChannel(key);
        if (found.series === undefined && found.fault === undefined) {
          found.series = find(found.tenant, found.asset, found.channel);
        }
        return found;
      },
    };
  }

  return {
    topic(name) {
      const known = topics.get(name);
      if (known !== undefined) return known;
      const made = createTopic(name);
      topics.set(name, made);
      if (++remembered > channelsMax) forget();
      return made;
    },
  };
}
