// `tailrace policy replay`: the gate before other rules are put in force. What was decided is decided again by them.
import { Command, InvalidArgumentError, Option } from 'commander';
import { systemClock } from '../../lib/clock.ts';
import { readConfig } from '../../lib/config.ts';
import { parseDuration } from '../../lib/duration.ts';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { readBundleFile } from '../../policies/bundles/bundle.ts';
import type { Decider } from '../../policies/decide/decision.ts';
import { createPolicy } from '../../policies/decide/policy.ts';
import {
  CHANGES,
  type Change,
  changeOf,
  namedBy,
  readRecord,
} from '../../policies/decide/replay.ts';
import type { Database } from '../../sql/connection.ts';
import { type DecisionRow, listDecisions } from '../../store/decisions.ts';
import { withDatabase } from '../database.ts';

interface Options {
  readonly since: number;
  readonly limit: number;
  readonly tenant?: string;
  readonly json?: boolean;
}

/** Decisions of one answer of the database. */
const PAGE = 500;
const LIMIT_DEFAULT = 10_000;
/** Changes that are listed one by one; all are counted. */
const LISTED_MAX = 1_000;
const SHOWN_MAX = 20;

/** A decision that would change. */
interface Changed {
  readonly id: string;
  readonly time: string;
  readonly tenant: string | null;
  readonly subject: string | null;
  readonly action: string;
  readonly change: Change;
  readonly before: string;
  readonly after: string;
}

interface Report {
  readonly revision: string;
  /** Decisions that were asked again. */
  replayed: number;
  readonly changed: Record<Change, number>;
  /** Decisions that cannot be asked again, and why. */
  readonly not_replayable: { masked: number; erased: number; unreadable: number };
  /** Masked claims that the rules name, and in how many decisions. */
  readonly masked_claims: Record<string, number>;
  /** Decisions that were not recorded in the first place. */
  lost: number;
  /** Whether the limit left older decisions out. */
  cut_off: boolean;
  readonly changes: Changed[];
}

export function replayCommand(): Command {
  const since = new Option('--since <duration>', 'how far back, such as 24h or 7d')
    .argParser(readSince)
    .default(86_400_000, '24h');
  return new Command('replay')
    .description('decide again what was decided, by another bundle, and show what would change')
    .argument('<bundle>', 'path of a tar.gz as opa build -t wasm makes it')
    .addOption(since)
    .option('--limit <n>', 'most decisions, the newest', readLimit, LIMIT_DEFAULT)
    .option('--tenant <tenant>', 'only decisions of this tenant')
    .option('--json', 'as one JSON object')
    .addHelpText(
      'after',
      '\nExit status: 0 nothing would change, 1 something would (or it failed), 2 wrong usage. Decisions whose masked claims the' +
        '\nbundle names are left out and counted.',
    )
    .action(async (path: string, options: Options) => {
      const report = await replay(path, options);
      process.stdout.write(options.json === true ? `${JSON.stringify(report)}\n` : said(report));
      if (CHANGES.some((change) => report.changed[change] > 0)) process.exitCode = 1;
    });
}

function readSince(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError('It has to be a duration such as 24h or 7d.');
}

function readLimit(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number above 0.');
}

async function replay(path: string, options: Options): Promise<Report> {
  const config = readConfig(process.env);
  const bundle = await readBundleFile(path);
  // What fails to be decided is a denial in the report; a line of the log for each would say nothing more.
  const silent = { metrics: createMetrics(), log: createLog('silent'), clock: systemClock };
  const candidate = await createPolicy(bundle, silent);
  const names = namedBy(bundle);
  const report = emptyReport(bundle.revision);
  await withDatabase(config, createLog(config.LOG_LEVEL), async (database) => {
    for await (const row of recorded(database, options, report)) {
      replayOne(row, candidate, names, report);
    }
  });
  return report;
}

function emptyReport(revision: string): Report {
  return {
    revision,
    replayed: 0,
    changed: { denied: 0, allowed: 0, series: 0, obligations: 0 },
    not_replayable: { masked: 0, erased: 0, unreadable: 0 },
    masked_claims: {},
    lost: 0,
    cut_off: false,
    changes: [],
  };
}

/** The records that are asked for, the newest first, page by page. */
async function* recorded(
  database: Database,
  { since, limit, tenant }: Options,
  report: Report,
): AsyncGenerator<DecisionRow> {
  const filter = { tenant, startUs: (systemClock() - since) * 1_000 };
  let before: { timeUs: number; id: string } | undefined;
  for (let left = limit; ; ) {
    const rows = await listDecisions(database, { ...filter, before, limit: PAGE });
    for (const row of rows) {
      if (left === 0) {
        report.cut_off = true;
        return;
      }
      left -= 1;
      yield row;
      before = { timeUs: row.time_us, id: row.id };
    }
    if (rows.length < PAGE) return;
  }
}

function replayOne(
  row: DecisionRow,
  candidate: Decider,
  names: (claim: string) => boolean,
  report: Report,
): void {
  if (row.action === 'gap') {
    const { lost } = row.result as { readonly lost?: unknown };
    report.lost += typeof lost === 'number' ? lost : 0;
    return;
  }
  const record = readRecord(row, names);
  if (record.why !== undefined) {
    report.not_replayable[record.why] += 1;
    for (const claim of record.why === 'masked' ? record.claims : []) {
      report.masked_claims[claim] = (report.masked_claims[claim] ?? 0) + 1;
    }
    return;
  }
  const grant = candidate.decide(record.input);
  report.replayed += 1;
  const change = changeOf(record.result, grant);
  if (change === undefined) return;
  report.changed[change] += 1;
  if (report.changes.length === LISTED_MAX) return;
  const { id, tenant, subject, action } = row;
  const time = new Date(row.time_us / 1_000).toISOString();
  const reasons = { before: record.result.reason, after: grant.reason };
  report.changes.push({ id, time, tenant, subject, action, change, ...reasons });
}

const WORDS: Readonly<Record<Change, string>> = {
  denied: 'allowed → denied',
  allowed: 'denied → allowed',
  series: 'other series',
  obligations: 'other obligations',
};

/** The report for people. */
function said(report: Report): string {
  const { revision, replayed, changed, not_replayable: not, lost, changes } = report;
  const changedCount = CHANGES.reduce((sum, change) => sum + changed[change], 0);
  const line = (count: number, words: string) => `${String(count).padStart(10)}  ${words}`;
  const claims = Object.keys(report.masked_claims).sort().slice(0, SHOWN_MAX).join(', ');
  const lines = [
    `revision ${revision} on ${replayed} recorded decisions${report.cut_off ? ' (--limit)' : ''}`,
    line(replayed - changedCount, 'the same'),
    ...CHANGES.map((change) => line(changed[change], WORDS[change])),
    ...(not.masked > 0 ? [line(not.masked, `not replayable: masked claims (${claims})`)] : []),
    ...(not.erased > 0 ? [line(not.erased, 'not replayable: too large to be recorded')] : []),
    ...(not.unreadable > 0 ? [line(not.unreadable, 'not replayable: of another version')] : []),
    ...(lost > 0 ? [line(lost, 'never recorded')] : []),
    ...changes.slice(0, SHOWN_MAX).map(lineOf),
    ...(changedCount > SHOWN_MAX
      ? [`… and ${changedCount - SHOWN_MAX} more: --json lists them`]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function lineOf({ time, tenant, subject, action, change, before, after, id }: Changed): string {
  const who = `${JSON.stringify(subject)} of ${JSON.stringify(tenant)}`;
  const reasons = before === after ? '' : `: ${JSON.stringify(before)} → ${JSON.stringify(after)}`;
  return `${time}  ${WORDS[change]}  ${who}  ${action}${reasons}  (${id})`;
}
