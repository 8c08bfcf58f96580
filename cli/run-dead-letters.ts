// What happens to dead letters in a process that ingests: kept, replayed where somebody asks for it, dropped when they
// are too old or too many.
import { randomUUID } from 'node:crypto';
import { withOwners } from '../ingest/dead-letters.ts';
import type { Ingester } from '../ingest/ingester.ts';
import { type ReplayWorker, startReplayWorker } from '../ingest/replay.ts';
import type { LiveTopicRules } from '../ingest/topics/rules.ts';
import { systemClock } from '../lib/clock.ts';
import { type DeadLetter, insertDeadLetters } from '../store/dead-letters.ts';
import { createReplayQueue } from '../store/dead-letters-replay.ts';
import { startDeadLetterRetention } from '../store/dead-letters-retention.ts';
import type { Ground } from './ground.ts';

/** Bytes of a lost letter that the log shows. */
const SHOWN_BYTES = 1_024;

/** Makes what commits the ingester's dead letters. */
export function deadLetterKeeper(
  { database, log, metrics }: Ground,
  topicRules: LiveTopicRules,
): (letters: readonly DeadLetter[]) => Promise<void> {
  const lost = metrics.counter(
    'tailrace_dead_letters_lost_total',
    'dead letters that the database refused in every form; the log has what they began with',
  );
  const onLost = ({ topic, code, payload }: DeadLetter, reason: string) => {
    lost.inc();
    const begin = Buffer.from(payload.subarray(0, SHOWN_BYTES)).toString('base64');
    log.error({ topic, code, reason, begin }, 'a dead letter could not be kept');
  };
  return (letters) =>
    insertDeadLetters(database, withOwners(letters, topicRules.current()), onLost);
}

/** Starts the replay of letters and their retention. */
export function startDeadLetterWork(ground: Ground, ingester: Pick<Ingester, 'replay'>) {
  const { config, database, log, metrics, lifecycle } = ground;
  lifecycle.add(
    startDeadLetterRetention({
      ageMaxMs: config.DEAD_LETTER_AGE_MAX,
      bytesMax: config.DEAD_LETTER_BYTES_MAX,
      ...{ database, log, metrics, clock: systemClock },
    }),
  );
  return lifecycle.add<ReplayWorker>(
    startReplayWorker({
      queue: createReplayQueue({ database, by: randomUUID() }),
      replay: (message) => ingester.replay(message),
      ...{ log, metrics },
    }),
  );
}
