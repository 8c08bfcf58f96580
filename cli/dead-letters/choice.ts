// Which dead letters a command is about: options that several commands share.
import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../../lib/clock.ts';
import { parseDuration } from '../../lib/duration.ts';
import { TailraceError } from '../../lib/errors.ts';
import { parseTimeUs } from '../../query/range/times.ts';
import type { DeadLetterFilter } from '../../store/dead-letters-list.ts';

/** Options that narrow; times in µs since 1970. */
export interface NarrowingOptions {
  readonly tenant?: string;
  readonly code?: string;
  readonly topic?: string;
  readonly since?: number;
  readonly until?: number;
}

export interface ChoiceOptions extends NarrowingOptions {
  readonly all?: boolean;
}

/** Adds the options that narrow. */
export function withNarrowing(command: Command): Command {
  return command
    .option('--tenant <tenant>', 'only letters of this tenant')
    .option('--code <code>', 'only letters with this code, such as kind_changed')
    .option(
      '--topic <topic>',
      'only topics that begin so; with + or #, those that this filter of MQTT takes',
    )
    .option(
      '--since <time>',
      'only received since then: RFC 3339, or a duration ago (24h)',
      readTime,
    )
    .option('--until <time>', 'only received before then', readTime);
}

function readTime(text: string): number {
  const nowMs = systemClock();
  const agoMs = parseDuration(text);
  const us = agoMs === undefined ? parseTimeUs(text, nowMs * 1_000) : (nowMs - agoMs) * 1_000;
  if (us !== undefined) return us;
  throw new InvalidArgumentError('It has to be RFC 3339, or a duration such as 24h.');
}

/** Reads a letter's id. */
export function readId(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be the number of a letter.');
}

/** Reads several, for an argument that may be repeated. */
export function readIds(text: string, before: readonly number[] | undefined): number[] {
  return [...(before ?? []), readId(text)];
}

/** Reads a whole number above 0. */
export function readCount(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number above 0.');
}

/** The options as a filter. */
export function filterOf({
  tenant,
  code,
  topic,
  since,
  until,
}: NarrowingOptions): DeadLetterFilter {
  return {
    tenant: tenant === undefined ? undefined : { name: tenant, andNone: false },
    ...{ code, topic, startUs: since, endUs: until },
  };
}

/**
 * The letters that are named, or with --all those that the options leave.
 * @throws TailraceError `usage` for neither or both.
 */
export function chosen(ids: readonly number[], options: ChoiceOptions): DeadLetterFilter {
  if (ids.length > 0 === (options.all === true)) {
    throw new TailraceError(
      'usage',
      'Name letters by their numbers, or say --all for those that --tenant, --code, --topic, --since and --until leave.',
    );
  }
  return ids.length > 0 ? { ...filterOf(options), ids } : filterOf(options);
}
