// The door for readings that do not come over MQTT: a payload is looked through, every series in it is authorised, and
// then it is published as it came, so that it goes the way of all readings. Nothing here knows of HTTP.
import type { Clock } from '../../lib/clock.ts';
import { createPayloadDecoder } from '../decode/decode.ts';
import type { Fault } from '../fault.ts';
import { NO_CHANNEL } from '../topics/default-rule.ts';
import type { LiveTopicRules } from '../topics/rules.ts';
import type { TopicTarget } from '../topics/target.ts';
import { type FaultCount, type Survey, surveyPayload, type WrittenSeries } from './survey.ts';

export type { FaultCount, WrittenSeries } from './survey.ts';

/** What somebody wants written. */
export interface WriteOrder {
  readonly tenant: string;
  readonly asset: string;
  /** '' where the keys of the payload are the channels. */
  readonly channel: string;
  readonly payload: Uint8Array;
  readonly contentType?: string | undefined;
}

export type WriteOutcome =
  /** Nothing was written: nothing could be read. */
  | { readonly kind: 'unreadable'; readonly fault: Fault }
  /** Nothing was written: this series of it may not be. */
  | { readonly kind: 'refused'; readonly series: WrittenSeries }
  /** Through: what `faults` counts are dead letters now. */
  | {
      readonly kind: 'written';
      readonly accepted: number;
      readonly ignored: number;
      readonly faults: readonly FaultCount[];
    };

/** A message on its way to the ingesters. */
export interface OutboundMessage {
  readonly tenant: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly contentType?: string | undefined;
  /** How many it holds: what can be kept and what cannot. */
  readonly readings: number;
}

/** The broker, whichever it is. */
export interface Outlet {
  /**
   * Whether the content type comes with the message to who decodes it: MQTT 3.1.1 has no place for it.
   * @throws TailraceError `broker_unavailable`
   */
  carriesContentType(): Promise<boolean>;
  /**
   * Whether it may be lost on the way even so: an ingester elsewhere may be connected to the broker by MQTT 3.1.1.
   */
  readonly mayLoseContentType: boolean;
  /**
   * Resolves when the message is safe: committed, or with a broker that has acknowledged it.
   * @throws TailraceError `broker_unavailable`: it may come through nevertheless, and may be sent again.
   */
  publish(message: OutboundMessage): Promise<void>;
}

export interface WriteDoorOptions {
  readonly rules: LiveTopicRules;
  readonly outlet: Outlet;
  readonly clock: Clock;
}

export interface WriteDoor {
  /** Writes all of it or, where one of its series may not be written to, none. */
  write(order: WriteOrder, mayWrite: (series: WrittenSeries) => boolean): Promise<WriteOutcome>;
}

/** The topic by which the default rule finds an asset and a channel. */
function topicOf({ tenant, asset, channel }: WriteOrder): string {
  return `t/${tenant}/${asset}/${channel === '' ? NO_CHANNEL : channel}`;
}

/** Makes the door. */
export function createWriteDoor({ rules, outlet, clock }: WriteDoorOptions): WriteDoor {
  const decode = createPayloadDecoder();

  /** Looks through a payload as it is read with a content type, or without one. */
  function look(
    payload: Uint8Array,
    contentType: string | undefined,
    target: TopicTarget,
    mayWrite: (series: WrittenSeries) => boolean,
  ): Survey {
    const { format } = target;
    return surveyPayload(
      (context, sink) => decode({ payload, contentType, format }, context, sink),
      target,
      clock() * 1_000,
      mayWrite,
    );
  }

  return {
    async write(order, mayWrite) {
      const topic = topicOf(order);
      // What is authorised has to be what will be decoded: a content type that does not arrive must not count here.
      const typed = order.contentType !== undefined && (await outlet.carriesContentType());
      const contentType = typed ? order.contentType : undefined;
      // Asked for last: rules that change from here on change the series of what devices have sent just now, too.
      const match = rules.current().match(topic);
      if (match.kind === 'fault') return { kind: 'unreadable', fault: match.fault };
      if (match.kind === 'drop') return { kind: 'written', accepted: 0, ignored: 1, faults: [] };
      const { tenant, payload } = order;
      const { target } = match;
      // Whoever may write nothing there makes no dead letters there either.
      if (target.tenant !== tenant) return { kind: 'refused', series: target };
      const survey = look(payload, contentType, target, mayWrite);
      if (survey.kind !== 'readable') return survey;
      if (contentType !== undefined && outlet.mayLoseContentType) {
        // One who gets it without its type looks at it, and may see other series in it.
        const untyped = look(payload, undefined, target, mayWrite);
        if (untyped.kind === 'refused') return untyped;
      }
      const { accepted, ignored, faults } = survey;
      const readings = faults.reduce((sum, { count }) => sum + count, accepted + ignored);
      const message = { tenant, topic, payload, readings };
      await outlet.publish(contentType === undefined ? message : { ...message, contentType });
      return { ...survey, kind: 'written' };
    },
  };
}
