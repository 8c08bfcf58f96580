// `tailrace policy export mosquitto|emqx`: what the policy grants devices, as an ACL for a broker outside.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Argument, Command } from 'commander';
import { systemClock } from '../../lib/clock.ts';
import { type Config, readConfig } from '../../lib/config.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { shippedBundlePath } from '../../policies/bundles/bundle.ts';
import { inspectBundle } from '../../policies/bundles/inspect.ts';
import { createDecider, createDecisionDesk } from '../../policies/decide/decider.ts';
import type { Decider, OnDecision } from '../../policies/decide/decision.ts';
import { adoptEvaluator } from '../../policies/decide/evaluator.ts';
import { exportAccess } from '../../policies/export/access.ts';
import { emqxAcl } from '../../policies/export/emqx.ts';
import { mosquittoAcl } from '../../policies/export/mosquitto.ts';
import { type Principal, readPrincipals } from '../../policies/export/principals.ts';
import { policyOptions } from '../ground.ts';

interface ExportOptions {
  readonly principals?: string;
  readonly ingester?: string;
}

const WRITERS = { mosquitto: mosquittoAcl, emqx: emqxAcl };

export function exportCommand(): Command {
  return new Command('export')
    .description('write what the policy lets devices publish and subscribe to as a broker’s ACL')
    .addArgument(new Argument('<broker>', 'whose ACL').choices(Object.keys(WRITERS)))
    .option(
      '--principals <file>',
      'JSON list, or one a line: {"username":"plc-7","claims":{"tenant":"acme","roles":["device"]}}; else from standard input',
    )
    .option('--ingester <username>', "tailrace's own account, which may subscribe to everything")
    .action(async (broker: keyof typeof WRITERS, options: ExportOptions) => {
      const principals = readPrincipals(await readInput(options.principals));
      process.stdout.write(await exportAcl(broker, principals, options.ingester));
    });
}

async function readInput(path: string | undefined): Promise<string> {
  if (path === undefined && process.stdin.isTTY) {
    throw new TailraceError('usage', 'Who has accounts? Give --principals <file> or pipe them in.');
  }
  try {
    return path === undefined ? await text(process.stdin) : await readFile(path, 'utf8');
  } catch (thrown) {
    throw new TailraceError(
      'principals_invalid',
      `${path ?? 'Standard input'} cannot be read (${messageOf(thrown)}).`,
    );
  }
}

async function exportAcl(
  broker: keyof typeof WRITERS,
  principals: readonly Principal[],
  ingester: string | undefined,
): Promise<string> {
  const failures: string[] = [];
  const policy = await openDecider(readConfig(process.env), ({ input, fault }) => {
    if (fault !== undefined) failures.push(`user of subject ${input.claims.sub}: ${fault}`);
  });
  const nowMs = systemClock();
  const { access, faults } = exportAccess(policy, principals, nowMs);
  const wrong = [...failures, ...faults];
  if (wrong.length > 0) {
    const said = wrong.join('\n');
    throw new TailraceError('policy_export_impossible', `The ACL cannot be written:\n${said}`);
  }
  return WRITERS[broker](access, { revision: policy.revision, nowMs, ingester });
}

/** The rules that a process with this configuration would start with: signed, where it asks for that. */
async function openDecider(config: Config, onDecision: OnDecision): Promise<Decider> {
  const { location, ...options } = policyOptions(config);
  // What comes with the program needs no signature.
  const bundle =
    location === undefined ? { location: shippedBundlePath() } : { ...options, location };
  const { image, revision } = await inspectBundle({ ...bundle, clock: systemClock });
  const desk = createDecisionDesk({
    ...{ metrics: createMetrics(), log: createLog('silent') },
    onDecision,
  });
  return createDecider(await adoptEvaluator(image), revision, desk);
}
