// `tailrace query`: a query server alone. Stand-ins belong to one process, so the three URLs have to be there.
import { Command } from 'commander';
import { readConfig } from '../lib/config.ts';
import { requireUrls, runProcess } from './run.ts';

export function queryCommand(): Command {
  return new Command('query')
    .description('run a query server (needs DATABASE_URL, MQTT_URL and REDIS_URL)')
    .action(() => {
      const config = readConfig(process.env);
      requireUrls(config, 'query');
      return runProcess(config, { ingest: false, query: true });
    });
}
