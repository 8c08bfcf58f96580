// `tailrace doctor`: is all that is needed there? Each check says what it found, or what to do.
import { access, constants } from 'node:fs/promises';
import { connect } from 'node:net';
import { Command } from 'commander';
import { parseRules, readRuleText } from '../ingest/topics/read-rules.ts';
import { systemClock } from '../lib/clock.ts';
import { type Config, readConfig } from '../lib/config.ts';
import { makeDirectory } from '../lib/directory.ts';
import { messageOf } from '../lib/errors.ts';
import { createLog, type Log } from '../lib/log.ts';
import { shippedBundlePath } from '../policies/bundles/bundle.ts';
import { inspectBundle } from '../policies/bundles/inspect.ts';
import { loadEngine } from '../query/http/engine.ts';
import { failingJobs } from '../sql/failing-jobs.ts';
import { migrationStatus } from '../sql/migrate.ts';
import { withDatabase } from './database.ts';
import { topicCommand } from './doctor/topic.ts';
import { policyOptions } from './ground.ts';
import { inspectKeys } from './tokens.ts';

interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Gives back what it found in words; throws where something is missing. */
type Check = (config: Config, log: Log) => Promise<string>;

const CONNECT_MAX_MS = 3_000;

const CHECKS: Readonly<Record<string, Check>> = {
  async node() {
    return `${process.version} on ${process.platform} ${process.arch}`;
  },
  async 'http engine'() {
    loadEngine();
    return 'loads';
  },
  async 'data folder'(config) {
    makeDirectory(config.DATA_DIR);
    await access(config.DATA_DIR, constants.W_OK);
    return `${config.DATA_DIR} can be written`;
  },
  async database(config, log) {
    return withDatabase(config, log, async (database) => {
      const pending = (await migrationStatus(database)).filter(({ state }) => state !== 'applied');
      const schema =
        pending.length === 0 ? 'up to date' : `${pending.length} to apply (start does)`;
      return `${database.embedded ? 'embedded' : 'reachable'}, migrations ${schema}`;
    });
  },
  async 'background jobs'(config, log) {
    const failing = await withDatabase(config, log, failingJobs);
    if (failing.length === 0) return 'none fails';
    throw new Error(
      failing
        .map(
          ({ id, procedure, failures, message }) =>
            `${procedure} (job ${id}) failed ${failures} times in a row: ${message ?? "the server's log says why"}`,
        )
        .join('; '),
    );
  },
  async broker(config) {
    return config.MQTT_URL === undefined
      ? `embedded, on ${config.MQTT_HOST}:${config.MQTT_PORT}`
      : reach(new URL(config.MQTT_URL), { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 });
  },
  async 'topic rules'(config) {
    const { TOPIC_RULES: path } = config;
    if (path === undefined) return 'the default rule, t/{tenant}/{asset}/{channel…}';
    const { size, defaultRule, warnings } = parseRules(await readRuleText(path), path);
    const rules = `${size} in ${path}${defaultRule ? ' and the default rule' : ''}`;
    return [rules, ...warnings].join('; ');
  },
  async feed(config) {
    return config.REDIS_URL === undefined
      ? 'in memory'
      : reach(new URL(config.REDIS_URL), { redis: 6379, rediss: 6379 });
  },
  async policy(config) {
    const { location, ...options } = policyOptions(config);
    // What comes with the program needs no signature.
    const bundle =
      location === undefined ? { location: shippedBundlePath() } : { ...options, location };
    const { revision } = await inspectBundle({ ...bundle, clock: systemClock });
    return `${location ?? 'the bundle shipped'}, revision ${revision}`;
  },
  'keys of tokens': (config, log) => inspectKeys(config, log),
};

/** Opens a connection and closes it again. */
function reach(url: URL, ports: Readonly<Record<string, number>>): Promise<string> {
  const port = url.port === '' ? (ports[url.protocol.slice(0, -1)] ?? 0) : Number(url.port);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: url.hostname, port, timeout: CONNECT_MAX_MS });
    socket.once('connect', () => {
      socket.destroy();
      resolve(`${url.hostname}:${port} answers`);
    });
    socket.once('timeout', () => {
      socket.destroy(new Error(`${url.hostname}:${port} does not answer`));
    });
    socket.once('error', reject);
  });
}

async function examine(config: Config, log: Log): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [check, run] of Object.entries(CHECKS)) {
    try {
      findings.push({ check, ok: true, detail: await run(config, log) });
    } catch (cause) {
      findings.push({ check, ok: false, detail: messageOf(cause) });
    }
  }
  return findings;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check that everything that tailrace needs is there')
    .option('--json', 'as a JSON list')
    .addCommand(topicCommand().exitOverride())
    .action(async (options: { json?: boolean }) => {
      const config = readConfig(process.env);
      const findings = await examine(config, createLog('error'));
      process.stdout.write(
        options.json === true
          ? `${JSON.stringify(findings)}\n`
          : findings.map((f) => `${f.ok ? 'ok  ' : 'FAIL'}  ${f.check}: ${f.detail}\n`).join(''),
      );
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}
