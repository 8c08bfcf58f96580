// Which of two revisions is the newer one. OPA's signatures know no order, so nothing else keeps an old bundle, signed
// well, from being put back.
import { parseRfc3339Ns } from '../decide/builtins.ts';

export type RevisionOrder = 'newer' | 'same' | 'older' | 'unordered';

/**
 * How a revision stands to another: whole numbers by their value, RFC 3339 times by the moment. Of anything else, e.g.
 * hashes of commits, only that it is the same.
 */
export function compareRevisions(revision: string, other: string): RevisionOrder {
  if (revision === other) return 'same';
  const [a, b] = [wholeNumber(revision), wholeNumber(other)];
  if (a !== undefined && b !== undefined) return order(a, b);
  const [s, t] = [parseRfc3339Ns(revision), parseRfc3339Ns(other)];
  return s !== undefined && t !== undefined ? order(s, t) : 'unordered';
}

function wholeNumber(text: string): bigint | undefined {
  return /^\d{1,100}$/.test(text) ? BigInt(text) : undefined;
}

function order(a: bigint, b: bigint): RevisionOrder {
  if (a === b) return 'same';
  return a > b ? 'newer' : 'older';
}
