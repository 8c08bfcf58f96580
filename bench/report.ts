// The report of a run: JSON for machines, a table for people.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Target, Versions } from './case.ts';
import type { CaseResult } from './harness.ts';

/** The machine that was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_bytes: number;
  readonly kernel: string;
}

/** What `--json` prints and `--out` writes. */
export interface Report {
  readonly machine: Machine;
  readonly versions: Versions;
  /** Of the sources; ends in `-dirty` where they had changes that are in no commit, null outside a checkout. */
  readonly commit: string | null;
  readonly cases: readonly CaseResult[];
}

const caseShape = z.object({
  name: z.string(),
  value: z.number(),
  unit: z.string(),
  ceiling: z.object({ name: z.string(), value: z.number() }),
  ratio: z.number(),
  spread: z.number().nonnegative(),
});
const reportShape = z.object({
  machine: z.record(z.string(), z.unknown()),
  versions: z.record(z.string(), z.unknown()),
  commit: z.string().nullable(),
  cases: z.array(caseShape),
});

/** A report as it is read back: who measured it is for people, the cases are checked. */
export type StoredReport = z.infer<typeof reportShape>;

/** Reads a report from a file. Throws `usage` where there is none or it is something else. */
export function readReport(path: string): StoredReport {
  try {
    return reportShape.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    const reason = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause);
    throw new TailraceError('usage', `${path} is not a bench report: ${reason}`, { cause });
  }
}

/** Lays rows out in columns: text to the left, whatever starts with a digit or a sign to the right. */
export function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return /^[-+±<≥]?\s?[\d.]/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [
    line(header),
    widths.map((width) => '─'.repeat(width)).join('  '),
    ...rows.map(line),
  ].join('\n');
}

/** A figure as people read it: three or more digits, thousands apart. */
export function formatFigure(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 2 : 4;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** 0.613 as `61.3 %`. */
export function formatShare(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** Says whether a target was met: `≥ 60 % met`. Empty without a target. */
export function judgeTarget(target: Target | undefined, result: CaseResult): string {
  if (target === undefined) return '';
  if (target.kind === 'ratio') {
    return `≥ ${Math.round(target.min * 100)} % ${result.ratio >= target.min ? 'met' : 'MISSED'}`;
  }
  return `< ${formatFigure(target.max)} ${result.unit} ${result.value < target.max ? 'met' : 'MISSED'}`;
}

/** The whole report for people. `targets` are by case name. */
export function formatReport(report: Report, targets: ReadonlyMap<string, Target>): string {
  const { machine, versions } = report;
  const using = Object.entries(versions)
    .filter(([, version]) => version !== null)
    .map(([name, version]) => `${name} ${version}`);
  const rows = report.cases.map((result) => [
    result.name,
    `${formatFigure(result.value)} ${result.unit}`,
    `${formatFigure(result.ceiling.value)} ${result.unit}`,
    formatShare(result.ratio),
    `± ${formatShare(result.spread)}`,
    judgeTarget(targets.get(result.name), result),
    result.ceiling.name,
  ]);
  return [
    `${machine.cpu}, ${machine.cores} cores, ${formatFigure(machine.memory_bytes / 2 ** 30)} GiB, ${machine.kernel}`,
    `${using.join(', ')}, commit ${report.commit ?? 'unknown'}`,
    '',
    formatTable(['case', 'value', 'ceiling', 'ratio', 'spread', 'target', 'ceiling is'], rows),
  ].join('\n');
}
