// `tailrace dead-letters discard`: deletes letters for good.
import { Command } from 'commander';
import { readConfig } from '../../lib/config.ts';
import { TailraceError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log.ts';
import { discardDeadLetters } from '../../store/dead-letters-list.ts';
import { withDatabase } from '../database.ts';
import { type ChoiceOptions, chosen, readIds, withNarrowing } from './choice.ts';

interface Options extends ChoiceOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function discardCommand(): Command {
  return withNarrowing(new Command('discard'))
    .description('delete dead letters for good')
    .argument('[ids...]', 'numbers of letters', readIds)
    .option('--all', 'all that the options leave; needs --yes')
    .option('--yes', 'that is meant')
    .option('--json', 'as one JSON object')
    .action(async (ids: number[] | undefined, options: Options) => {
      const named = [...new Set(ids ?? [])];
      const filter = chosen(named, options);
      if (named.length === 0 && options.yes !== true) {
        throw new TailraceError(
          'usage',
          'What is discarded cannot be had again: look at it with tailrace dead-letters list, then say --all --yes.',
        );
      }
      const config = readConfig(process.env);
      const max = named.length === 0 ? Number.MAX_SAFE_INTEGER : named.length;
      const { letters, bytes } = await withDatabase(
        config,
        createLog(config.LOG_LEVEL),
        (database) => discardDeadLetters(database, filter, max),
      );
      const missing = named.length === 0 ? 0 : named.length - letters;
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify({ discarded: letters, bytes, missing })}\n`
          : `discarded ${letters} ${letters === 1 ? 'letter' : 'letters'}${missing > 0 ? `; ${missing} are not there` : ''}\n`,
      );
      if (missing > 0) process.exitCode = 1;
    });
}
