// The answering half of a process: latest values, range reader, and the server with its page.
import { fileURLToPath } from 'node:url';
import { systemClock } from '../lib/clock.ts';
import type { Config } from '../lib/config.ts';
import { messageOf } from '../lib/errors.ts';
import type { Route } from '../query/http/routes.ts';
import { amountsOf } from '../query/limits/amounts.ts';
import type { SignIn } from '../query/routes/sign-in.ts';
import { type QueryServer, startQueryServer } from '../query/server.ts';
import { openDeadLetters } from '../store/dead-letters-list.ts';
import { openLatest } from '../store/latest.ts';
import { createRangeReader } from '../store/range/read.ts';
import type { Ground } from './ground.ts';
import type { IngestParts } from './run-ingest.ts';

const PAGE_DIRECTORY = fileURLToPath(new URL('../query/page/', import.meta.url));

type Findings = Record<string, { ok: boolean; detail?: string }>;

/** Starts the half on its ground. `routes` are served beside the interface's own. */
export async function startQuery(
  ground: Ground,
  ingest: IngestParts | undefined,
  routes: readonly Route[] = [],
): Promise<QueryServer> {
  const { config, database, feed, catalogue, metrics, log, lifecycle } = ground;
  const { policy, tokens, revocations, decisions } = ground;
  const latest = lifecycle.add(await openLatest({ database, feed, catalogue, metrics, log }));
  return lifecycle.add(
    await startQueryServer({
      host: config.HTTP_HOST,
      port: config.HTTP_PORT,
      catalogue,
      rangeReader: createRangeReader({ database, feed, metrics }),
      latest,
      feed,
      policy,
      tokens,
      revocations,
      tokenLifetimeMaxMs: config.JWT_LIFETIME_MAX,
      decisions,
      deadLetters: openDeadLetters(database, () => ingest?.replays.wake()),
      clock: systemClock,
      log,
      metrics,
      limits: amountsOf(config),
      corsOrigins: config.CORS_ORIGINS,
      readiness: () => readiness(ground, ingest),
      pageDirectory: PAGE_DIRECTORY,
      signIn: signInOf(config),
      routes,
    }),
  );
}

function signInOf(config: Config): SignIn | undefined {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId } = config;
  if (issuer === undefined || clientId === undefined) return undefined;
  return { issuer, clientId, scope: config.OIDC_SCOPE, resource: config.OIDC_RESOURCE };
}

/** What `/readyz` says, part by part. */
async function readiness(ground: Ground, ingest: IngestParts | undefined): Promise<Findings> {
  const findings: Findings = {
    database: await databaseAnswers(ground),
    policy: policyFinding(ground),
    keys: keysFinding(ground),
    topic_rules: topicRulesFinding(ground),
  };
  if (ingest === undefined) return findings;
  const { state, detail } = ingest.writer;
  findings.writer = { ok: state === 'writing', detail };
  const trouble = ingest.trouble();
  findings.ingest = { ok: trouble === undefined, detail: trouble ?? 'nothing fails' };
  const receiving = ingest.receiving();
  findings.broker = { ok: receiving, detail: receiving ? 'receiving' : 'not connected' };
  return findings;
}

/** Not ready while everything is denied. Details of a fault are in the log and, for admins, in /v1/me. */
function policyFinding({ policy }: Ground): { ok: boolean; detail: string } {
  const { revision, state, confirmedMs, fault } = policy.status();
  const ok = state === 'in_force';
  const ageS = Math.round((systemClock() - confirmedMs) / 1_000);
  const age = ok ? '' : `, over its maximum age: not confirmed for ${ageS} s, everything is denied`;
  return { ok, detail: `${revision}${age}${fault === undefined ? '' : ` (${fault.code})`}` };
}

/** Ready as long as the tokens of one issuer can be verified; those of the others are answered with 503. */
function keysFinding({ tokens }: Ground): { ok: boolean; detail: string } {
  const { all, usable } = tokens.issuers();
  return { ok: usable > 0, detail: `of ${usable} of ${all} issuers` };
}

/** Ready with the rules that were in force before the file broke. What is wrong with it stands in the log. */
function topicRulesFinding({ topicRules }: Ground): { ok: boolean; detail: string } {
  const { path, rules, fault } = topicRules.status();
  const inForce = path === undefined ? 'the default rule' : `${rules} of a file`;
  return {
    ok: true,
    detail: fault === undefined ? inForce : `${inForce}, as before (${fault.code})`,
  };
}

async function databaseAnswers({ database }: Ground): Promise<{ ok: boolean; detail?: string }> {
  try {
    await database.reader`select 1`;
    return { ok: true };
  } catch (cause) {
    return { ok: false, detail: messageOf(cause) };
  }
}
