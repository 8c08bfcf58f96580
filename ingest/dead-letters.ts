// Dead letters of a batch: what could not be kept, with the bytes it came in, so that it can be replayed.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { Batch, LetterDraft } from './batch.ts';
import type { TopicRules } from './topics/rules.ts';
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
      userProperties: message.userProperties,
      code: draft.code,
      reason: draft.reason,
      payload: message.payload,
      readings: draft.readings,
    };
  });
}

/**
 * Letters with the assets that the rules name for their topics: who may see only some assets sees the letters of those.
 * A rule that gives a topic to another tenant than the letter's gives it no asset.
 */
export function withAssets(letters: readonly DeadLetter[], rules: TopicRules): DeadLetter[] {
  const known = new Map<string, string | null>();
  return letters.map((letter) => {
    const key = letter.topic;
    let asset = known.get(key);
    if (asset === undefined) {
      const match = rules.match(key);
      const isOwn = match.kind === 'target' && match.target.tenant === letter.tenant;
      asset = isOwn ? match.target.asset : null;
      known.set(key, asset);
    }
    return { ...letter, asset };
  });
}
