// Dead letters of a batch: what could not be kept, with the bytes it came in, so that it can be replayed.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { Batch } from './batch.ts';
import { tenantOfTopic } from './topics/target.ts';

/** The letters of a batch, in receipt order of their messages where they were found while reading. */
export function deadLettersOf(batch: Pick<Batch, 'messages' | 'letters'>): DeadLetter[] {
  return Array.from(batch.letters, (draft) => {
    const message = batch.messages[draft.message] as InboundMessage;
    return {
      receivedUs: message.receivedUs,
      tenant: tenantOfTopic(message.topic),
      topic: message.topic,
      contentType: message.contentType,
      code: draft.code,
      reason: draft.reason,
      payload: message.payload,
      readings: draft.readings,
    };
  });
}
