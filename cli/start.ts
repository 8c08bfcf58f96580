// `tailrace start`: ingester and query server in one process, with a stand-in for every part that has no URL.
import { Command } from 'commander';
import { readConfig } from '../lib/config.ts';
import { runProcess } from './run.ts';

export function startCommand(): Command {
  return new Command('start')
    .description('run the ingester and the query server in one process')
    .action(() => runProcess(readConfig(process.env), { ingest: true, query: true }));
}
