// `npm run bench`: measures workloads against their ceilings. Exit status 0 done, 1 failed or got worse, 2 wrong usage.
import { writeFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { messageOf, TailraceError } from '../lib/errors.ts';
import { letHeapGrow } from '../lib/heap.ts';
import { createLifecycle } from '../lib/lifecycle.ts';
import { createLog } from '../lib/log.ts';
import { AREAS } from './areas.ts';
import type { Area, BenchContext, Target, Versions } from './case.ts';
import { compareReports, formatComparison } from './compare.ts';
import { type CaseResult, measureCase, PAIRS_MIN } from './harness.ts';
import { readCommit, readMachine, readPackageVersion } from './machine.ts';
import { formatFigure, formatReport, formatTable, type Report, readReport } from './report.ts';

interface RunOptions {
  readonly quick?: true;
  readonly json?: true;
  readonly list?: true;
  readonly out?: string;
  readonly pairs: number;
}

type SharedContext = Omit<BenchContext, 'lifecycle'>;

/** What was wanted: an area, or those of its cases whose name starts with one of the words. */
interface Choice {
  readonly area: Area;
  readonly wants: (caseName: string) => boolean;
}

interface Measured {
  readonly results: CaseResult[];
  readonly targets: Map<string, Target>;
  readonly versions: Partial<Versions>[];
  failed: boolean;
}

function program(): Command {
  const root = new Command('bench')
    .description('Measure workloads against what they could reach at best, by turns in one run.')
    .argument('[areas...]', 'areas, or beginnings of case names such as ingest/single; default all')
    .option('--list', 'say what there is')
    .option('--quick', 'less data and shorter runs')
    .option('--json', 'one JSON object on standard output, everything else on standard error')
    .option('--out <file>', 'write the JSON object to a file as well')
    .option('--pairs <n>', `pairs to measure, ${PAIRS_MIN} or more`, readPairs, PAIRS_MIN)
    .showHelpAfterError('(--help tells how it is used)')
    .exitOverride()
    .action(async (words: string[], options: RunOptions) => {
      if (options.list === true) list();
      else await run(choose(words), options);
    });
  root
    .command('compare')
    .description('compare two reports: exit status 1 if a case got worse beyond the noise')
    .argument('<before>', 'JSON file')
    .argument('<after>', 'JSON file')
    .exitOverride()
    .action(compare);
  return root;
}

function readPairs(text: string): number {
  const pairs = Number(text);
  if (Number.isSafeInteger(pairs) && pairs >= PAIRS_MIN) return pairs;
  throw new TailraceError('usage', `--pairs is ${text}: it has to be ${PAIRS_MIN} or more`);
}

function list(): void {
  const rows = AREAS.map((area) => [area.name, area.about]);
  process.stdout.write(`${formatTable(['area', 'what it measures'], rows)}\n`);
}

function choose(words: readonly string[]): Choice[] {
  for (const word of words) {
    const name = word.split('/')[0];
    if (!AREAS.some((area) => area.name === name)) {
      throw new TailraceError('usage', `there is no area ${name}: --list says what there is`);
    }
  }
  if (words.length === 0) return AREAS.map((area) => ({ area, wants: () => true }));
  return AREAS.flatMap((area) => {
    const own = words.filter((word) => word.split('/')[0] === area.name);
    const wants = (caseName: string): boolean => own.some((word) => caseName.startsWith(word));
    return own.length === 0 ? [] : [{ area, wants }];
  });
}

/** One run: area by area, case by case, then the report. */
async function run(choices: readonly Choice[], options: RunOptions): Promise<void> {
  const measured: Measured = { results: [], targets: new Map(), versions: [], failed: false };
  const context: SharedContext = {
    quick: options.quick === true,
    log: createLog(process.env.LOG_LEVEL ?? 'warn'),
    databaseUrl: process.env.DATABASE_URL,
    note: (text) => process.stderr.write(`${text}\n`),
  };
  for (const choice of choices) await measureArea(choice, context, options.pairs, measured);
  if (measured.results.length === 0 && !measured.failed) {
    throw new TailraceError('usage', 'no case has such a name');
  }
  const report: Report = {
    machine: readMachine(),
    versions: mergeVersions(measured.versions),
    commit: readCommit(),
    cases: measured.results,
  };
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (options.out !== undefined) writeFileSync(options.out, json);
  const table = `${formatReport(report, measured.targets)}\n`;
  process.stdout.write(options.json === true ? json : table);
  if (options.json === true) process.stderr.write(table);
  if (measured.failed) throw new TailraceError('bench_failed', 'a part of the bench failed');
}

/**
 * Measures what was chosen of an area, and stops what it started, also when the bench is told to end. An area that
 * fails is told of and does not keep the others from running.
 */
async function measureArea(
  { area, wants }: Choice,
  shared: SharedContext,
  pairs: number,
  measured: Measured,
): Promise<void> {
  const lifecycle = createLifecycle(shared.log);
  const context: BenchContext = { ...shared, lifecycle };
  const onSignal = (signal: NodeJS.Signals): void => {
    context.note(`${signal}: stopping`);
    void lifecycle.stop().then(() => process.exit(1));
  };
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    context.note(`${area.name}: setting up`);
    const open = await area.open(context);
    measured.versions.push(open.versions);
    for (const benchCase of open.cases.filter((one) => wants(one.name))) {
      const onPair = (pair: { value: number; ceiling: number }): void =>
        context.note(
          `${benchCase.name}: ${formatFigure(pair.value)} of ${formatFigure(pair.ceiling)} ${benchCase.unit}`,
        );
      measured.results.push(await measureCase(benchCase, { pairs, onPair }));
      if (benchCase.target !== undefined) measured.targets.set(benchCase.name, benchCase.target);
    }
  } catch (error) {
    measured.failed = true;
    context.note(`${area.name}: ${error instanceof Error ? error.stack : messageOf(error)}`);
  } finally {
    await lifecycle.stop();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function mergeVersions(versions: readonly Partial<Versions>[]): Versions {
  const none: Versions = {
    node: process.versions.node,
    tailrace: readPackageVersion(),
    database: null,
    timescaledb: null,
    mosquitto: null,
  };
  return Object.assign(none, ...versions);
}

function compare(before: string, after: string): void {
  const comparisons = compareReports(readReport(before), readReport(after));
  if (!comparisons.some((one) => one.verdict !== 'new' && one.verdict !== 'gone')) {
    throw new TailraceError('usage', 'the two reports have no case in common');
  }
  process.stdout.write(`${formatComparison(comparisons)}\n`);
  const worse = comparisons.filter((one) => one.verdict === 'worse');
  if (worse.length > 0) {
    const names = worse.map((one) => one.name).join(', ');
    throw new TailraceError('got_worse', `worse beyond the noise: ${names}`);
  }
}

function statusOf(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
  process.stderr.write(`bench: ${messageOf(thrown)}\n`);
  return thrown instanceof TailraceError && thrown.code === 'usage' ? 2 : 1;
}

// As the program has it.
letHeapGrow();
try {
  await program().parseAsync();
} catch (thrown) {
  process.exitCode = statusOf(thrown);
}
