// Dead letters of a batch: what could not be kept, with the bytes it came in, so that it can be replayed.
import type { InboundMessage } from '../lib/mqtt/message.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import type { Batch, LetterDraft } from './batch.ts';
import type { TopicMatch, TopicRules } from './topics/rules.ts';
import { nameFault, tenantOfTopic } from './topics/target.ts';

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

/** Who may see a letter. */
type Owner = Pick<DeadLetter, 'tenant' | 'asset'>;

/** Of a rule's names, each that can be one; an asset is nobody's without its tenant. */
function namedOwner({ tenant, asset }: { tenant: string; asset: string }): Owner {
  if (nameFault('tenant', tenant) !== undefined) return { tenant: null, asset: null };
  return { tenant, asset: nameFault('asset', asset) === undefined ? asset : null };
}

function ownerOf(topic: string, match: TopicMatch): Owner {
  if (match.kind === 'target') return namedOwner(match.target);
  if (match.kind === 'fault' && match.place !== undefined) return namedOwner(match.place);
  // A rule that drops has taken the topic from whoever its second part names, and names nobody.
  if (match.kind === 'drop') return { tenant: null, asset: null };
  return { tenant: tenantOfTopic(topic), asset: null };
}

/**
 * Letters with the tenants and assets that the rules name for their topics: who may see only some assets sees the
 * letters of those. Where no rule takes the topic, the letter is for the tenant in its second part.
 */
export function withOwners(letters: readonly DeadLetter[], rules: TopicRules): DeadLetter[] {
  const known = new Map<string, Owner>();
  return letters.map((letter) => {
    const { topic } = letter;
    const owner = known.get(topic) ?? ownerOf(topic, rules.match(topic));
    known.set(topic, owner);
    return { ...letter, ...owner };
  });
}
