// Dead letters of a batch: what could not be kept, with the bytes it came in, so that it can be replayed.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { Batch, LetterDraft } from './batch.ts';
import { tenantOfTopic } from './topics/target.ts';

/** Letters as they are kept, in receipt order of their messages where they were found while reading. */
export function deadLettersOf(
  { messages }: Pick<Batch, 'messages'>,
  drafts: readonly LetterDraft[],
): DeadLetter[] {
  return drafts.map((draft) => {
    const message = messages[draft.message] as InboundMessage;
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
