// Recorded decisions against other rules: which can be asked again, and which would come out otherwise. Pure.
import { z } from 'zod';
import { ACTIONS, type Claims, type Grant } from '../grant.ts';
import type { DecisionInput } from './decision.ts';
import { recordedResult } from './mask.ts';

/** How a decision would change; `series` and `obligations` where it is allowed before and after. */
export const CHANGES = ['denied', 'allowed', 'series', 'obligations'] as const;
export type Change = (typeof CHANGES)[number];

/** Why a record cannot be asked again. */
export type Unreplayable =
  /** Claims were masked that these rules name. */
  | { readonly why: 'masked'; readonly claims: readonly string[] }
  /** Something was too large to be recorded. */
  | { readonly why: 'erased' }
  /** It is not the record of a decision as this version writes them. */
  | { readonly why: 'unreadable' };

/** A record that can be asked again: the question, and what came of it. */
export interface Replayable {
  readonly why: undefined;
  readonly input: DecisionInput;
  readonly result: z.output<typeof resultSchema>;
}

const labels = z.record(z.string(), z.string());
const inputSchema = z.object({
  action: z.enum(ACTIONS),
  now: z.number(),
  subject: z.looseObject({
    sub: z.string(),
    tenant: z.string(),
    roles: z.array(z.string()),
    exp: z.number(),
  }),
  request: z.looseObject({}).default({}),
  labels: labels.optional(),
  masked: z.array(z.string()).default([]),
  erased: z.array(z.string()).default([]),
});
const resultSchema = z.object({
  allow: z.boolean(),
  reason: z.string(),
  series: z.array(z.unknown()),
  series_count: z.number(),
  obligations: z.record(z.string(), z.unknown()),
});

/**
 * Reads a record. `names` says whether the rules to ask name a claim: the value of one that they do not name makes no
 * difference to them (unless they go through all claims, whatever they are called).
 */
export function readRecord(
  record: { readonly input: unknown; readonly result: unknown },
  names: (claim: string) => boolean,
): Replayable | Unreplayable {
  const input = inputSchema.safeParse(record.input);
  const result = resultSchema.safeParse(record.result);
  if (!input.success || !result.success) return { why: 'unreadable' };
  const { action, now: nowMs, subject, request, masked, erased } = input.data;
  if (erased.length > 0) return { why: 'erased' };
  const claims = masked.map((path) => path.replace(/^subject\./, '')).filter(names);
  if (claims.length > 0) return { why: 'masked', claims };
  const asked = { action, nowMs, claims: subject as Claims, request, hypothetical: true };
  const of = input.data.labels === undefined ? {} : { labels: input.data.labels };
  return { why: undefined, input: { ...asked, ...of }, result: result.data };
}

/** How what came of it then differs from what comes of it now; the reason alone is no difference. */
export function changeOf(before: Replayable['result'], grant: Grant): Change | undefined {
  if (before.allow !== grant.allow) return grant.allow ? 'allowed' : 'denied';
  // Cut down to what a record keeps, in the same way.
  const after = recordedResult(grant, undefined);
  const seriesBefore = canonical([before.series_count, before.series]);
  if (seriesBefore !== canonical([after.series_count, after.series])) return 'series';
  return canonical(before.obligations) === canonical(after.obligations) ? undefined : 'obligations';
}

/** JSON with members in the order of their names: jsonb has an order of its own. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

/** Whether the compiled rules, or their data, have a claim's name in them. */
export function namedBy(bundle: { readonly wasm: Uint8Array; readonly dataJson: Uint8Array }) {
  const parts = [bundle.wasm, bundle.dataJson].map((bytes) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  );
  const known = new Map<string, boolean>();
  return (claim: string): boolean => {
    const before = known.get(claim);
    if (before !== undefined) return before;
    const named = parts.some((part) => part.includes(claim));
    known.set(claim, named);
    return named;
  };
}
