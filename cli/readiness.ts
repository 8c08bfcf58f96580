// What `/readyz` says of a process, whichever halves run in it.
import { systemClock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Ground } from './ground.ts';
import type { IngestParts } from './run-ingest.ts';

type Findings = Record<string, { ok: boolean; detail?: string }>;

/** What `/readyz` says, part by part. */
export async function readiness(
  ground: Ground,
  ingest: IngestParts | undefined,
): Promise<Findings> {
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
