// `tailrace config`: the environment as the program understands it, secrets masked.
import { Command } from 'commander';
import { maskConfig, readConfig } from '../lib/config.ts';

export function configCommand(): Command {
  return new Command('config')
    .description('show the effective configuration, secrets masked')
    .option('--json', 'as one JSON object')
    .action((options: { json?: boolean }) => {
      const shown = maskConfig(readConfig(process.env));
      if (options.json === true) {
        process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
        return;
      }
      for (const [name, value] of Object.entries(shown)) {
        process.stdout.write(
          `${name}=${Array.isArray(value) ? value.join(',') : String(value ?? '')}\n`,
        );
      }
    });
}
