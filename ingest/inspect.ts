// What would become of a message, for somebody who asks before a device does: which rule takes its topic, and what its
// payload gives. The same rules and decoders as on the way of real messages; nothing is kept.
import { createMetrics } from '../lib/metrics.ts';
import type { ValueKind } from '../store/series.ts';
import { createPayloadDecoder } from './decode/decode.ts';
import type { ReadingSink } from './decode/sink.ts';
import type { Fault } from './fault.ts';
import { kindChanged } from './reader.ts';
import { createSeriesLookup } from './series-lookup.ts';
import { fixedRules, type TopicMatch, type TopicRules } from './topics/rules.ts';

/** A message to be. */
export interface Specimen {
  readonly topic: string;
  readonly payload?: Uint8Array;
  /** As of MQTT 5. */
  readonly contentType?: string;
  /** µs since 1970. */
  readonly receivedUs: number;
}

/** One reading that the payload gives. */
export interface InspectedReading {
  /** Of the payload; '' for the topic's own channel. */
  readonly key: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly unit: string | null;
  readonly kind: ValueKind;
  /** µs since 1970. */
  readonly timeUs: number;
  readonly value: number | string;
  /** 0 is good. */
  readonly quality: number;
}

export interface Inspection {
  readonly match: TopicMatch;
  readonly readings: readonly InspectedReading[];
  /** NaN and null, or all of a message that a rule drops. */
  readonly ignored: number;
  /** What would become dead letters. */
  readonly faults: readonly Fault[];
}

const decodePayload = createPayloadDecoder();

/** Looks at a message. */
export function inspectMessage(rules: TopicRules, specimen: Specimen): Inspection {
  const { topic: name, payload, contentType, receivedUs } = specimen;
  const lookup = createSeriesLookup(() => undefined, fixedRules(rules), createMetrics());
  const topic = lookup.topic(name);
  const { match } = topic;
  if (match.kind === 'drop') return { match, readings: [], ignored: 1, faults: [] };
  if (match.kind === 'fault') return { match, readings: [], ignored: 0, faults: [match.fault] };
  const readings: InspectedReading[] = [];
  const faults: Fault[] = [];
  let ignored = 0;
  let channels = topic.plain;
  const kinds = new Map<string, ValueKind>();

  function add(
    kind: ValueKind,
    key: string,
    timeUs: number,
    value: number | string,
    quality: number,
  ) {
    const { fault, channel, labels, unit, key: series } = channels.channel(key);
    const kept = kinds.get(series) ?? kind;
    kinds.set(series, kept);
    if (fault !== undefined) faults.push(fault);
    else if (kept !== kind) faults.push(kindChanged({ channel }, kept));
    else readings.push({ key, channel, labels, unit, kind, timeUs, value, quality });
  }

  const sink: ReadingSink = {
    number: (...reading) => add('number', ...reading),
    state: (...reading) => add('state', ...reading),
    ignored: () => void ignored++,
    fault: (fault) => void faults.push(fault),
    labelled(text, parse) {
      channels = topic.labelled(text, parse);
    },
  };
  if (payload !== undefined) {
    const { tenant, asset, format, timeZone } = match.target;
    const whole = decodePayload(
      {
        payload,
        ...(contentType === undefined ? {} : { contentType }),
        ...(format === undefined ? {} : { format }),
      },
      {
        ...{ receivedUs, defaultTimeUs: receivedUs, tenant, asset },
        ...(timeZone === undefined ? {} : { timeZone }),
      },
      sink,
    );
    if (whole !== undefined) faults.push(whole);
  }
  return { match, readings, ignored, faults };
}
