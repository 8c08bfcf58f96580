// `tailrace dead-letters replay`: asks for letters to be received again; an ingester does it, in whichever process.
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { readConfig } from '../../lib/config.ts';
import { createLog } from '../../lib/log.ts';
import type { Database } from '../../sql/connection.ts';
import {
  type DeadLetterFilter,
  type ReplayState,
  replayStates,
  requestAllReplays,
} from '../../store/dead-letters-list.ts';
import { withDatabase } from '../database.ts';
import { type ChoiceOptions, chosen, readCount, readIds, withNarrowing } from './choice.ts';

interface Options extends ChoiceOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly limit: number;
  readonly json?: boolean;
}

const LIMIT_DEFAULT = 100_000;
const TIMEOUT_DEFAULT_S = 60;
const POLL_MS = 200;
/** Letters that are looked at in one question. */
const LOOK_LETTERS = 10_000;

interface Report {
  readonly requested: readonly number[];
  /** Letters that were named and are not there. */
  readonly missing: readonly number[];
  /** With --wait: what became of them; those that still wait when the time is up say so. */
  readonly letters?: readonly ReplayState[];
}

export function replayCommand(): Command {
  return withNarrowing(new Command('replay'))
    .description('have dead letters received again')
    .argument('[ids...]', 'numbers of letters', readIds)
    .option('--all', 'all that the options leave, but for those that were replayed with success')
    .option('--yes', 'accepted for symmetry with discard: a replay needs no second word')
    .option('--limit <n>', 'with --all: most letters', readCount, LIMIT_DEFAULT)
    .option('--wait', 'until they are worked off, and say what became of each')
    .option('--timeout <s>', 'seconds to wait at most', readCount, TIMEOUT_DEFAULT_S)
    .option('--json', 'as one JSON object')
    .addHelpText(
      'after',
      '\nExit status: 0 asked for (with --wait: none is a dead letter any more), 1 not so, 2 wrong usage.',
    )
    .action(async (ids: number[] | undefined, options: Options) => {
      const named = ids ?? [];
      const filter = chosen(named, options);
      const config = readConfig(process.env);
      const report = await withDatabase(config, createLog(config.LOG_LEVEL), (database) =>
        replay(database, named, filter, options),
      );
      process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : said(report));
      if (hasFailed(report)) process.exitCode = 1;
    });
}

async function replay(
  database: Database,
  ids: readonly number[],
  filter: DeadLetterFilter,
  { wait, timeout, limit }: Options,
): Promise<Report> {
  const asked =
    ids.length > 0
      ? await requestAllReplays(database, filter, ids.length)
      : await requestAllReplays(database, { ...filter, unsettled: true }, limit);
  const requested = asked.toSorted((a, b) => a - b);
  const found = new Set(requested);
  const missing = ids.filter((id) => !found.has(id));
  if (wait !== true) return { requested, missing };
  return { requested, missing, letters: await worked(database, requested, timeout * 1_000) };
}

/** Waits until the letters are worked off, or for so long. */
async function worked(
  database: Database,
  ids: readonly number[],
  timeoutMs: number,
): Promise<ReplayState[]> {
  const deadlineMs = performance.now() + timeoutMs;
  const states: ReplayState[] = [];
  for (let at = 0; at < ids.length; ) {
    const some = await replayStates(database, ids.slice(at, at + LOOK_LETTERS));
    const isUp = performance.now() > deadlineMs;
    if (some.every(({ waiting }) => !waiting) || isUp) {
      states.push(...some);
      at += LOOK_LETTERS;
    } else {
      await sleep(POLL_MS);
    }
  }
  return states;
}

function hasFailed({ missing, letters = [] }: Report): boolean {
  const isDead = (state: ReplayState) => state.waiting || state.outcome === 'dead_lettered';
  return missing.length > 0 || letters.some(isDead);
}

function said({ requested, missing, letters }: Report): string {
  const lines = [
    `asked for the replay of ${requested.length} ${requested.length === 1 ? 'letter' : 'letters'}`,
    ...missing.map((id) => `there is no letter ${id}`),
    ...(letters ?? []).map(lineOf),
  ];
  return `${lines.join('\n')}\n`;
}

function lineOf({ id, topic, outcome, waiting, code, reason }: ReplayState): string {
  const became = waiting ? 'still waits: does an ingester run?' : outcome;
  const why = outcome === 'dead_lettered' ? `: ${code}, ${JSON.stringify(reason)}` : '';
  return `${String(id).padStart(8)}  ${JSON.stringify(topic)}  ${became}${why}`;
}
