// Reads one message into a batch: topic, payload, series. No await, and no object per reading.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { ValueKind } from '../store/series.ts';
import type { Batch } from './batch.ts';
import type { Payload } from './decode/decode.ts';
import type { DecodeContext, Fault, ReadingSink } from './decode/sink.ts';
import { deviceTime } from './device-time.ts';
import type { Ledger } from './ledger.ts';
import type { OutcomeTally } from './message-outcome.ts';
import type { Channel, Channels, Topic } from './series-lookup.ts';
import type { TopicTarget } from './topics/target.ts';

/** A series keeps the kind of its first value. */
export function kindChanged(channel: { channel: string }, kept: ValueKind): Fault {
  return {
    code: 'kind_changed',
    reason: `${channel.channel} is a series of ${kept === 'number' ? 'numbers' : 'texts'}; the value is of the other kind.`,
  };
}

/**
 * Adds a message of a topic to the batch, with what it holds, and notes all of it in the ledger. A `fault` that is
 * known already makes a dead letter of it, unread. With a `tally`, somebody waits for its outcome. Gives the number of
 * readings received.
 */
export type MessageReader = (
  batch: Batch,
  topic: Topic,
  message: InboundMessage,
  acknowledge: () => void,
  more: { readonly tally?: OutcomeTally | undefined; readonly fault?: Fault | undefined },
) => number;

/** A payload decoder, or what stands for it. */
export type DecodePayload = (
  payload: Payload,
  context: DecodeContext,
  sink: ReadingSink,
) => Fault | undefined;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const EMPTY = new Uint8Array();

/** Makes a reader. */
export function createMessageReader(decode: DecodePayload, ledger: Ledger): MessageReader {
  // One sink for all messages: these say where it stands.
  let batch: Batch;
  let topic: Topic;
  let channels: Channels;
  let received = 0;
  let ignored = 0;

  function add(key: string, kind: ValueKind, timeUs: number, value: number | string, q: number) {
    received++;
    const channel = channels.channel(key);
    if (channel.fault !== undefined) {
      batch.addLetter(channel.fault);
      return;
    }
    const kept = channel.series?.kind ?? batch.wantedKind(channel.key) ?? kind;
    if (kept !== kind) batch.addLetter(kindChanged(channel, kept));
    else batch.addReading(seriesOf(channel, kind), timeUs, value, q);
  }

  function seriesOf(channel: Channel, kind: ValueKind): number {
    if (channel.series !== undefined) return channel.series.id;
    const { tenant, asset, channel: name, labels, unit } = channel;
    return batch.want(channel.key, { tenant, asset, channel: name, labels, unit }, kind);
  }

  const sink: ReadingSink = {
    number: (key, timeUs, value, quality) => add(key, 'number', timeUs, value, quality),
    state: (key, timeUs, value, quality) => add(key, 'state', timeUs, value, quality),
    ignored() {
      received++;
      ignored++;
    },
    fault(fault) {
      received++;
      batch.addLetter(fault);
    },
    labelled(text, parse) {
      channels = topic.labelled(text, parse);
    },
  };

  // One of each for all messages: decoders keep neither.
  const payload: Mutable<Payload> = { payload: EMPTY, contentType: undefined, format: undefined };
  const context: Mutable<DecodeContext> = {
    receivedUs: 0,
    defaultTimeUs: 0,
    tenant: '',
    asset: '',
    timeZone: undefined,
  };

  function read(message: InboundMessage, target: TopicTarget): Fault | undefined {
    const { receivedUs, userProperties } = message;
    const time = userProperties === undefined ? receivedUs : deviceTime(userProperties, receivedUs);
    if (typeof time !== 'number') return time;
    payload.payload = message.payload;
    payload.contentType = message.contentType;
    payload.format = target.format;
    context.receivedUs = receivedUs;
    context.defaultTimeUs = time;
    context.tenant = target.tenant;
    context.asset = target.asset;
    context.timeZone = target.timeZone;
    const fault = decode(payload, context, sink);
    payload.payload = EMPTY;
    return fault;
  }

  return (into, of, message, acknowledge, { tally, fault: known }) => {
    batch = into;
    topic = of;
    channels = topic.plain;
    received = 0;
    ignored = 0;
    batch.addMessage(message, acknowledge, tally);
    const { match } = topic;
    if (known !== undefined) sink.fault(known);
    else if (match.kind === 'drop') sink.ignored();
    else {
      const fault = match.kind === 'fault' ? match.fault : read(message, match.target);
      if (fault !== undefined) sink.fault(fault);
    }
    ledger.receive(received);
    ledger.settle('ignored', ignored);
    if (tally !== undefined) tally.ignored = ignored;
    return received;
  };
}
