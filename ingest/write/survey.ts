// What a payload holds, looked through before it is written: which series, how many readings, what is wrong with it.

import { TIME_OUT_OF_RANGE } from '../decode/faults.ts';
import type { DecodeContext, Decoder, Fault, ReadingSink } from '../decode/sink.ts';
import { isTimeInRange } from '../decode/time.ts';
import { CHANNEL_MISSING, KEY_LENGTH_MAX, KEY_TOO_LONG } from '../series-lookup.ts';
import { channelFault, channelOf, type TopicTarget } from '../topics/target.ts';

/** A series that a payload writes to, whether it is there already or not. */
export interface WrittenSeries {
  readonly tenant: string;
  readonly asset: string;
  readonly channel: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Readings that cannot be kept for one reason: that of the first of them. */
export interface FaultCount extends Fault {
  readonly count: number;
}

export type Survey =
  /** Nothing of it can be read. */
  | { readonly kind: 'unreadable'; readonly fault: Fault }
  /** The first series that may not be written to. */
  | { readonly kind: 'refused'; readonly series: WrittenSeries }
  | {
      readonly kind: 'readable';
      /** Readings that can be kept, as far as the payload tells. */
      readonly accepted: number;
      /** NaN and null: received, and no readings. */
      readonly ignored: number;
      readonly faults: readonly FaultCount[];
    };

/** Counts faults by their code. */
function createFaultCounts() {
  const counts = new Map<string, { code: string; reason: string; count: number }>();
  return {
    add({ code, reason }: Fault): void {
      const known = counts.get(code);
      if (known === undefined) counts.set(code, { code, reason, count: 1 });
      else known.count++;
    },
    all: (): FaultCount[] => [...counts.values()],
  };
}

/**
 * Decodes a payload of a target without keeping its readings. `mayWrite` is asked once for each series. A payload of
 * which no reading could be kept, though some were there, is unreadable, too.
 *
 * Who ingests it reads it later, by a clock of its own: what is too far ahead at `receivedUs` (µs since 1970) may not be
 * so there. Its series are asked about all the same, and it is counted as what it is here.
 */
export function surveyPayload(
  decode: (context: DecodeContext, sink: ReadingSink) => ReturnType<Decoder>,
  target: TopicTarget,
  receivedUs: number,
  mayWrite: (series: WrittenSeries) => boolean,
): Survey {
  const { tenant, asset, timeZone } = target;
  const faults = createFaultCounts();
  /** By the text of the labels, then by key: why there is no such channel, undefined where there is. */
  const sets = new Map<string, Map<string, Fault | undefined>>();
  let { labels } = target;
  let keys = new Map<string, Fault | undefined>();
  sets.set('', keys);
  let refused: WrittenSeries | undefined;
  let accepted = 0;
  let ignored = 0;

  function look(key: string): Fault | undefined {
    const channel = channelOf(target, key);
    const fault = channel === '' ? CHANNEL_MISSING : channelFault(channel);
    const series = { tenant, asset, channel, labels };
    if (fault === undefined && refused === undefined && !mayWrite(series)) refused = series;
    keys.set(key, fault);
    return fault;
  }

  function add(key: string, timeUs: number): void {
    if (key.length > KEY_LENGTH_MAX) {
      faults.add(KEY_TOO_LONG);
      return;
    }
    const fault = keys.get(key) ?? (keys.has(key) ? undefined : look(key));
    if (fault !== undefined) faults.add(fault);
    else if (isTimeInRange(timeUs, receivedUs)) accepted++;
    else faults.add(TIME_OUT_OF_RANGE);
  }

  const sink: ReadingSink = {
    number: add,
    state: add,
    ignored: () => void ignored++,
    fault: faults.add,
    labelled(text, parse) {
      // What the topic says of itself stands.
      labels = text === '' ? target.labels : { ...parse(), ...target.labels };
      keys = sets.get(text) ?? new Map();
      sets.set(text, keys);
    },
  };
  const zone = timeZone === undefined ? {} : { timeZone };
  const times = { receivedUs: Number.POSITIVE_INFINITY, defaultTimeUs: receivedUs };
  const context = { ...times, tenant, asset, ...zone };
  const fault = decode(context, sink);
  if (fault !== undefined) return { kind: 'unreadable', fault };
  if (refused !== undefined) return { kind: 'refused', series: refused };
  const all = faults.all();
  const [first] = all;
  if (accepted === 0 && ignored === 0 && first !== undefined) {
    return { kind: 'unreadable', fault: { code: first.code, reason: first.reason } };
  }
  return { kind: 'readable', accepted, ignored, faults: all };
}
