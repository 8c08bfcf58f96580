// `tailrace dead-letters list`: the newest first, for people or as GET /v1/dead-letters has them.
import { Command, InvalidArgumentError } from 'commander';
import { readConfig } from '../../lib/config.ts';
import { createLog } from '../../lib/log.ts';
import {
  deadLetterPage,
  deadLetterView,
  readDeadLetterPage,
} from '../../query/routes/dead-letters.ts';
import {
  type DeadLetterFilter,
  type DeadLetterPage,
  type DeadLetterRecord,
  listDeadLetters,
} from '../../store/dead-letters-list.ts';
import { withDatabase } from '../database.ts';
import { filterOf, type NarrowingOptions, readCount, withNarrowing } from './choice.ts';

interface Options extends NarrowingOptions {
  readonly limit: number;
  readonly page?: DeadLetterFilter['before'];
  readonly json?: boolean;
}

const LIMIT_DEFAULT = 1_000;

export function listCommand(): Command {
  return withNarrowing(new Command('list'))
    .description('list dead letters, the newest first')
    .option('--limit <n>', 'most letters; fewer where they are large', readCount, LIMIT_DEFAULT)
    .option('--page <page>', 'what the list before gave as next', readPage)
    .option('--json', 'as one JSON object, as GET /v1/dead-letters answers')
    .action(async (options: Options) => {
      const config = readConfig(process.env);
      const filter = { ...filterOf(options), before: options.page };
      const page = await withDatabase(config, createLog(config.LOG_LEVEL), (database) =>
        listDeadLetters(database, filter, options.limit),
      );
      process.stdout.write(options.json === true ? asJson(page) : asText(page));
    });
}

function readPage(text: string): DeadLetterFilter['before'] {
  const before = readDeadLetterPage(text);
  if (before !== undefined) return before;
  throw new InvalidArgumentError('It is not what a list gave as next.');
}

function nextOf({ letters, hasMore }: DeadLetterPage): string | undefined {
  const last = letters.at(-1);
  return hasMore && last !== undefined ? deadLetterPage(last) : undefined;
}

function asJson(page: DeadLetterPage): string {
  const dead_letters = page.letters.map(deadLetterView);
  return `${JSON.stringify({ dead_letters, next: nextOf(page) })}\n`;
}

function asText(page: DeadLetterPage): string {
  if (page.letters.length === 0) return 'no dead letters\n';
  const next = nextOf(page);
  const more = next === undefined ? [] : [`… more: --page ${next}`];
  return `${[...page.letters.map(lineOf), ...more].join('\n')}\n`;
}

/** In quotes: a topic may hold anything. */
function lineOf(letter: DeadLetterRecord): string {
  const { id, received_us, code, topic, payload, reason } = letter;
  const time = new Date(received_us / 1_000).toISOString();
  const said = `${String(id).padStart(8)}  ${time}  ${code}  ${JSON.stringify(topic)}`;
  return `${said}  ${payload.length} bytes  ${stateOf(letter)}${JSON.stringify(reason)}`;
}

function stateOf({ outcome, requested_ms, replayed_ms }: DeadLetterRecord): string {
  if (replayed_ms !== null) return `replayed: ${outcome}  `;
  return requested_ms === null ? '' : 'waits for replay  ';
}
