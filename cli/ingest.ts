// `tailrace ingest`: an ingester alone. Stand-ins belong to one process, so the three URLs have to be there.
import { Command } from 'commander';
import { readConfig } from '../lib/config.ts';
import { requireUrls, runProcess } from './run.ts';

export function ingestCommand(): Command {
  return new Command('ingest')
    .description('run an ingester (needs DATABASE_URL, MQTT_URL and REDIS_URL)')
    .action(() => {
      const config = readConfig(process.env);
      requireUrls(config, 'ingest');
      return runProcess(config, { ingest: true, query: false });
    });
}
