// Whether a decision that was taken again says what it said before. Pure, and no dearer than the decision itself.
import type { Selector } from '../../lib/selector.ts';
import type { Grant, Obligations } from '../grant.ts';

/** True where two grants differ in their id at most. */
export function saysTheSame(a: Grant, b: Grant): boolean {
  return (
    a.allow === b.allow &&
    a.revision === b.revision &&
    a.action === b.action &&
    a.tenant === b.tenant &&
    a.reason === b.reason &&
    sameObligations(a.obligations, b.obligations) &&
    sameSelectors(a.selectors, b.selectors)
  );
}

/** Selectors in the same order: the same rules answer the same question in the same order. */
export function sameSelectors(a: readonly Selector[], b: readonly Selector[]): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((selector, i) => sameSelector(selector, b[i] ?? []));
}

function sameSelector(a: Selector, b: Selector): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ label, op, value }, i) => {
    const other = b[i];
    return other?.label === label && other.op === op && other.value === value;
  });
}

/** The same obligations, in whatever order they are written. */
export function sameObligations(a: Obligations, b: Obligations): boolean {
  if (a === b) return true;
  const { redact: redactA = [], ...limitsA } = a;
  const { redact: redactB = [], ...limitsB } = b;
  const names = Object.keys(limitsA) as (keyof typeof limitsA)[];
  return (
    names.length === Object.keys(limitsB).length &&
    names.every((name) => limitsA[name] === limitsB[name]) &&
    redactA.length === redactB.length &&
    redactA.every((label, i) => label === redactB[i])
  );
}
