// `tailrace demo`: the whole process with data of its own, which a separate publisher sends over MQTT like any device.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { readConfig } from '../lib/config.ts';
import { createLifecycle, type Part } from '../lib/lifecycle.ts';
import { createLog, type Log } from '../lib/log.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { reply } from '../query/http/reply.ts';
import type { Route } from '../query/http/routes.ts';
import { DEMO_TENANT } from './demo/channels.ts';
import { demoSession } from './demo/session.ts';
import { endOf, endSignal, start } from './run.ts';
import { tokenProfile } from './tokens.ts';

const PUBLISHER = fileURLToPath(new URL('./demo/publisher.js', import.meta.url));
const TOKEN_TTL_S = 7 * 86_400;

export function demoCommand(): Command {
  return new Command('demo')
    .description('run everything on this machine, with replayed and simulated data')
    .action(() => runDemo());
}

async function runDemo(): Promise<void> {
  const config = readConfig({ MQTT_ANONYMOUS: 'loopback', ...process.env });
  const log = createLog(process.env.LOG_LEVEL === undefined ? 'warn' : config.LOG_LEVEL);
  const lifecycle = createLifecycle(log);
  const signal = endSignal();
  const token = await issueDemoToken();
  say('starting (the first start takes a few seconds: it makes the database)');
  const halves = { ingest: true, query: true };
  const running = await start(config, halves, log, lifecycle, [sessionRoute(token)]);
  const { query, ingest } = running;
  const mqttUrl = config.MQTT_URL ?? ingest?.brokerUrl ?? '';
  lifecycle.add(startPublisher({ mqttUrl, httpUrl: query?.url ?? '', token }, log));
  say(`charts   ${query?.url}/`);
  say(`MQTT     ${mqttUrl}  (publish to t/${DEMO_TENANT}/<asset>/<channel>)`);
  say(`data     ${config.DATA_DIR}`);
  say(`token    ${token}`);
  say(
    'The NAB and WITSML series are recordings, shifted to now; rig-sim-1 is simulated. Ctrl-C ends it.',
  );
  const end = await endOf(running, signal);
  say('draining');
  await lifecycle.stop();
  say('stopped');
  if ('error' in end) throw end.error;

  async function issueDemoToken(): Promise<string> {
    const key = await openSigningKey(config.DATA_DIR);
    const order = {
      tenant: DEMO_TENANT,
      roles: ['viewer'],
      ttlS: TOKEN_TTL_S,
      claims: {},
      nowMs: systemClock(),
    };
    return (await issueToken(key, tokenProfile(config), order)).token;
  }
}

/** To people: this command is not read by scripts. */
function say(line: string): void {
  process.stdout.write(`tailrace  ${line}\n`);
}

/** Signs the page in: only here, and only for browsers on this machine. */
function sessionRoute(token: string): Route {
  const body = JSON.stringify(demoSession(token));
  return {
    method: 'GET',
    path: '/demo/session',
    grant: 'loopback',
    summary: 'A token and an opening view for the page of the demo.',
    parameters: [],
    types: ['application/json'],
    handle: () => reply(body, { headers: { 'Cache-Control': 'no-store' } }),
  };
}

interface Addresses {
  readonly mqttUrl: string;
  readonly httpUrl: string;
  readonly token: string;
}

/** Starts the publishing process. It stops first, so that what it has sent is still acknowledged. */
function startPublisher({ mqttUrl, httpUrl, token }: Addresses, log: Log): Part {
  const child: ChildProcess = fork(PUBLISHER, {
    // A group of its own: Ctrl-C reaches the parent alone, which ends the publisher in its turn.
    detached: true,
    env: {
      ...process.env,
      LOG_LEVEL: log.level,
      DEMO_MQTT_URL: mqttUrl,
      DEMO_HTTP_URL: httpUrl,
      DEMO_TOKEN: token,
    },
  });
  let stopping = false;
  const exited = once(child, 'exit').then(([status, ended]) => {
    if (!stopping) log.error({ status, signal: ended }, 'the demo publisher ended');
  });
  return {
    name: 'demo publisher',
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      await exited;
    },
  };
}
