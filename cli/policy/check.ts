// `tailrace policy check`: whether a bundle would be taken, and what is in it.
import { Command } from 'commander';
import { readBundleFile } from '../../policies/bundles/bundle.ts';

export function checkCommand(): Command {
  return new Command('check')
    .description('read, verify and try a bundle as a running process would')
    .argument('<bundle>', 'path of a tar.gz as opa build -t wasm makes it')
    .option('--json', 'as one JSON object')
    .action(async (path: string, options: { json?: boolean }) => {
      const { revision } = await readBundleFile(path);
      const said = options.json === true ? JSON.stringify({ revision }) : `revision ${revision}`;
      process.stdout.write(`${said}\n`);
    });
}
