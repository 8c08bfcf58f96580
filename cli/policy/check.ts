// `tailrace policy check`: whether a running process would take a bundle, and what is in it.
import { Command } from 'commander';
import { systemClock } from '../../lib/clock.ts';
import { type Config, readConfig } from '../../lib/config.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Candidate } from '../../policies/bundles/candidate.ts';
import { inspectBundle } from '../../policies/bundles/inspect.ts';

export function checkCommand(): Command {
  return new Command('check')
    .description(
      'read, verify (POLICY_KEYS, POLICY_SCOPE) and try a bundle as a running process would',
    )
    .argument('<bundle>', 'path or URL of a tar.gz as opa build -t wasm makes it')
    .option('--json', 'as one JSON object')
    .action(async (location: string, options: { json?: boolean }) => {
      const config = readConfig(process.env);
      if (options.json === true) await checkAsJson(location, config);
      else process.stdout.write(describe(await inspect(location, config)));
    });
}

function inspect(location: string, config: Config): Promise<Candidate> {
  const { POLICY_BUNDLE_TOKEN: token, POLICY_KEYS: keysPath, POLICY_SCOPE: scope } = config;
  return inspectBundle({ location, token, keysPath, scope, clock: systemClock });
}

/** A script reads the reason from the same place as all else. */
async function checkAsJson(location: string, config: Config): Promise<void> {
  try {
    const { image: _image, ...found } = await inspect(location, config);
    process.stdout.write(`${JSON.stringify({ ok: true, ...found })}\n`);
  } catch (thrown) {
    if (!(thrown instanceof TailraceError)) throw thrown;
    const { code } = thrown;
    process.stdout.write(`${JSON.stringify({ ok: false, code, detail: messageOf(thrown) })}\n`);
    process.exitCode = 1;
  }
}

function describe({ revision, signed, roots, entrypoints, builtins, bytes, decisions }: Candidate) {
  const lines = [
    `revision     ${revision}`,
    `signature    ${signed ? 'holds' : 'not looked at (POLICY_KEYS is unset)'}`,
    `roots        ${roots.map((root) => (root === '' ? '(everything)' : root)).join(', ')}`,
    `entrypoints  ${entrypoints.join(', ')}`,
    `builtins     ${builtins.length === 0 ? 'none outside of WebAssembly' : builtins.join(', ')}`,
    `bytes        ${bytes.packed} packed, ${bytes.wasm} rules, ${bytes.data} data, ${bytes.memory} in memory`,
    `decisions    ${decisions.count} tried, median ${decisions.medianUs} µs, longest ${decisions.maxUs} µs`,
  ];
  return `${lines.join('\n')}\n`;
}
