// `tailrace policy …`: bundles as operators handle them. One file a subcommand, in cli/policy/.
import { Command } from 'commander';
import { checkCommand } from './policy/check.ts';
import { exportCommand } from './policy/export.ts';
import { replayCommand } from './policy/replay.ts';

export function policyCommand(): Command {
  return new Command('policy')
    .description('check, compare and export policy bundles')
    .addCommand(checkCommand().exitOverride())
    .addCommand(exportCommand().exitOverride())
    .addCommand(replayCommand().exitOverride());
}
