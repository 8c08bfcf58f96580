import { type Reading, timestampLiteral } from '../snapshot.ts';
import type { DecisionRow } from './insertDecisions.ts';

// A filter that is null holds for every row: the planner, which sees the parameters, leaves it out.
const selectDecisions = (bounds: string) => `
select id, (extract(epoch from time) * 1000000)::float8 as time_us, tenant, subject, action, allowed, revision,
  input, result, duration_us
from tailrace.decision
where ${bounds}
  and ($1::text is null or tenant = $1)
  and ($2::text is null or subject = $2)
  and ($3::text is null or action = $3)
  and ($4::boolean is null or allowed = $4)
  and ($5::text is null or id = $5)
order by time desc, id desc
limit $6`;

/** Which decisions; what is absent filters nothing. Times in µs since 1970 UTC, half-open. */
export interface DecisionFilter {
  readonly tenant?: string | undefined;
  readonly subject?: string | undefined;
  readonly action?: string | undefined;
  readonly allowed?: boolean | undefined;
  readonly id?: string | undefined;
  readonly startUs?: number | undefined;
  readonly endUs?: number | undefined;
  /** Only what is older than this one, or as old with a smaller id. */
  readonly before?: { readonly timeUs: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** Decisions, the newest first; those of one moment by id, the largest first. */
export async function selectDecisionRows(
  sql: Pick<Reading, 'unsafe'>,
  filter: DecisionFilter,
): Promise<DecisionRow[]> {
  const { tenant, subject, action, allowed, id, startUs, endUs, before, limit } = filter;
  const parameters = [tenant, subject, action, allowed, id].map((value) => value ?? null);
  // The time alone, too: chunks are left out by it and not by a comparison of pairs.
  const bounds = [
    ...(startUs === undefined ? [] : [`time >= ${timestampLiteral(startUs)}`]),
    ...(endUs === undefined ? [] : [`time < ${timestampLiteral(endUs)}`]),
    ...(before === undefined
      ? ['true']
      : [
          `time <= ${timestampLiteral(before.timeUs)}`,
          `(time, id) < (${timestampLiteral(before.timeUs)}, $7)`,
        ]),
  ].join(' and ');
  const after = before === undefined ? [] : [before.id];
  return sql.unsafe<DecisionRow[]>(selectDecisions(bounds), [...parameters, limit, ...after]);
}
