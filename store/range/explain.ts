// The account of one range's reading, for whoever asks how it was answered: the segments of each family's plan with the
// rows expected and read, and the statements in the order in which they were sent.
import type { Reading } from '../../sql/snapshot.ts';
import { type CostFacts, rowsOfSegment } from './estimate.ts';
import type { RangeSegment } from './range.ts';

/** Families of rollups; and what has none: points as they are, and series of states. */
export type ExplainedFamily = 'm4' | 'path' | 'sketch' | 'raw' | 'states';

export interface ExplainedSegment extends RangeSegment {
  /** Rows of all its series, as they were expected before. */
  readonly estimatedRows: number;
  /** Points or rollup rows. Points that serve several families are read once, and told of each. */
  readonly rows: number;
}

export interface Explained {
  /** Where handfuls of series were served by different levels, the segments of all of them. */
  readonly families: readonly {
    readonly family: ExplainedFamily;
    readonly segments: readonly ExplainedSegment[];
  }[];
  /** The first statements, with their constants; times are those that were read. */
  readonly sql: readonly string[];
}

/** Keeps account of a reading. */
export interface Explanation {
  /** Notes what is going to be read of so many series. */
  planned(family: ExplainedFamily, segments: readonly RangeSegment[], series: number): void;
  /** Notes rows that were read of a segment that was planned. */
  counted(families: readonly ExplainedFamily[], segment: RangeSegment, rows: number): void;
  /** The same reader, whose statements are noted. */
  on(sql: Reading): Reading;
  result(): Explained;
}

/** Statements that are told; one that names a thousand series has some 7 KB. */
const STATEMENTS_MAX = 100;
/** Of one statement; the rest of a longer one is left out. */
const STATEMENT_LENGTH_MAX = 20_000;

const keyOf = ({ level, startUs, endUs }: RangeSegment) => `${level} ${startUs} ${endUs}`;

/** Begins an account. */
export function createExplanation(facts: CostFacts): Explanation {
  const families = new Map<ExplainedFamily, Map<string, ExplainedSegment>>();
  const sql: string[] = [];
  let leftOut = 0;

  const add = (family: ExplainedFamily, segment: RangeSegment, expected: number, rows: number) => {
    const segments = families.get(family) ?? new Map<string, ExplainedSegment>();
    families.set(family, segments);
    const { level, startUs, endUs } = segment;
    const before = segments.get(keyOf(segment));
    segments.set(keyOf(segment), {
      ...{ level, startUs, endUs },
      estimatedRows: (before?.estimatedRows ?? 0) + expected,
      rows: (before?.rows ?? 0) + rows,
    });
  };
  const note = (text: string, parameters: readonly unknown[] = []) => {
    if (sql.length >= STATEMENTS_MAX) leftOut += 1;
    else sql.push(statement(text, parameters));
  };

  return {
    planned(family, segments, series) {
      for (const segment of segments) {
        add(family, segment, rowsOfSegment(facts, family, segment) * series, 0);
      }
    },
    counted(served, segment, rows) {
      for (const family of served) add(family, segment, 0, rows);
    },
    on: (reader) => ({
      unsafe(text, parameters, options) {
        note(text, parameters);
        return reader.unsafe(text, parameters, options);
      },
      binary(select) {
        note(select);
        return reader.binary(select);
      },
    }),
    result: () => ({
      families: [...families].map(([family, segments]) => ({
        family,
        segments: [...segments.values()]
          .sort((a, b) => a.startUs - b.startUs)
          .map((one) => ({ ...one, estimatedRows: Math.round(one.estimatedRows) })),
      })),
      sql: leftOut === 0 ? sql : [...sql, `-- and ${leftOut} statements more`],
    }),
  };
}

/** A statement as it can be read and run: what stands for its placeholders is said behind it. */
function statement(text: string, parameters: readonly unknown[]): string {
  const trimmed = text.trim();
  const cut = trimmed.slice(0, STATEMENT_LENGTH_MAX);
  const whole = cut === trimmed ? cut : `${cut} -- and ${trimmed.length - cut.length} characters`;
  const told = parameters.map((value, index) => `$${index + 1} = ${JSON.stringify(value)}`);
  return told.length === 0 ? whole : `${whole}\n-- ${told.join(', ')}`;
}
