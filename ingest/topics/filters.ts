// The filters of MQTT that a set of patterns asks for, without those that others cover: a broker may deliver a message
// once for each filter that takes it. Filters that only overlap are left, as no filter stands for what both take.
import { filterOf, type Level, type Pattern } from './pattern.ts';
import { createPatternTree } from './pattern-tree.ts';

/** Filters that cover every topic that one of the patterns takes, none of them covered by another, in a fixed order. */
export function filtersOf(patterns: readonly Pattern[], others: readonly string[]): string[] {
  const all = [...new Set([...patterns.map(filterOf), ...others])];
  const tree = createPatternTree();
  const kept: string[] = [];
  for (const { filter, form } of all.map(readFilter).sort(byWidth)) {
    if (tree.cover(form) !== undefined) continue;
    tree.add(form, kept.length);
    kept.push(filter);
  }
  return kept.sort();
}

interface ReadFilter {
  readonly filter: string;
  readonly form: Pick<Pattern, 'levels' | 'rest'>;
  /** Levels that are one text. */
  readonly fixed: number;
}

function readFilter(filter: string): ReadFilter {
  const parts = filter.split('/');
  const hasRest = parts.at(-1) === '#';
  if (hasRest) parts.pop();
  const levels = parts.map(
    (part): Level => (part === '+' ? { texts: ['', ''], names: [undefined] } : part),
  );
  const fixed = parts.filter((part) => part !== '+').length;
  return { filter, form: { levels, rest: hasRest ? 'any' : 'none' }, fixed };
}

/** What covers another comes first: it fixes fewer levels or, with as many, goes on without end and is shorter. */
function byWidth(a: ReadFilter, b: ReadFilter): number {
  const open = (one: ReadFilter) => (one.form.rest === 'any' ? 0 : 1);
  return a.fixed - b.fixed || open(a) - open(b) || a.form.levels.length - b.form.levels.length;
}
