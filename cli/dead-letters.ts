// `tailrace dead-letters …`: what could not be stored, looked at, replayed and discarded. One file a subcommand, in
// cli/dead-letters/.
import { Command } from 'commander';
import { discardCommand } from './dead-letters/discard.ts';
import { listCommand } from './dead-letters/list.ts';
import { replayCommand } from './dead-letters/replay.ts';
import { showCommand } from './dead-letters/show.ts';

export function deadLettersCommand(): Command {
  return new Command('dead-letters')
    .description('list, show, replay and discard messages that could not be stored')
    .addCommand(listCommand().exitOverride())
    .addCommand(showCommand().exitOverride())
    .addCommand(replayCommand().exitOverride())
    .addCommand(discardCommand().exitOverride());
}
