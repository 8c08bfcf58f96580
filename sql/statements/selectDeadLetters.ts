import { idList, type Reading, timestampLiteral } from '../snapshot.ts';

/** Everything but the payload. */
export const DEAD_LETTER_COLUMNS = `
id::float8, (extract(epoch from received_at) * 1000000)::float8 as received_us, tenant, asset, topic, content_type,
  code, reason, readings, attempts, outcome, outcomes,
  (extract(epoch from replay_requested_at) * 1000)::float8 as requested_ms,
  (extract(epoch from replayed_at) * 1000)::float8 as replayed_ms`;

// As many of the asked rows as hold at most so many bytes, and always the first; page_rows says how many there were.
const selectDeadLetters = (bounds: string) => `
with page as (
  select * from tailrace.dead_letter
  where ${bounds}
  order by received_at desc, id desc
  limit $1
), measured as (
  select *, count(*) over () as page_rows,
    sum(octet_length(payload)) over (order by received_at desc, id desc) - octet_length(payload) as bytes_before
  from page
)
select ${DEAD_LETTER_COLUMNS}, payload, page_rows::int4 from measured
where bytes_before < $2 order by received_at desc, id desc`;

/** Which letters; what is absent filters nothing. Times in µs since 1970 UTC, half-open. */
export interface DeadLetterFilter {
  /** Of this tenant, and where asked for of none, too. */
  readonly tenant?: { readonly name: string; readonly andNone: boolean } | undefined;
  /** Of topics whose rule names one of these. */
  readonly assets?: readonly string[] | undefined;
  readonly ids?: readonly number[] | undefined;
  readonly code?: string | undefined;
  /** A filter of MQTT where it holds + or #, else what the topic begins with. */
  readonly topic?: string | undefined;
  /** Whether they were replayed. Asked for again, they were not. */
  readonly replayed?: boolean | undefined;
  /** Only what is still dead: never replayed, or in vain, and not asked for. */
  readonly unsettled?: boolean | undefined;
  readonly startUs?: number | undefined;
  readonly endUs?: number | undefined;
  /** Only what is older than this one, or as old with a smaller id. */
  readonly before?: { readonly timeUs: number; readonly id: number } | undefined;
}

export interface DeadLetterRecord {
  readonly id: number;
  readonly received_us: number;
  readonly tenant: string | null;
  readonly asset: string | null;
  readonly topic: string;
  readonly content_type: string | null;
  readonly code: string;
  readonly reason: string;
  readonly payload: Buffer;
  readonly readings: number;
  readonly attempts: number;
  readonly outcome: string | null;
  readonly outcomes: Readonly<Record<string, number>> | null;
  /** ms since 1970 UTC; null unless a replay was asked for. */
  readonly requested_ms: number | null;
  readonly replayed_ms: number | null;
}

/** A letter of a page; `page_rows` says how many were found before their bytes were looked at. */
export type DeadLetterPageRow = DeadLetterRecord & { readonly page_rows: number };

/** A filter of MQTT as a regular expression that any engine reads alike: classes, and characters that stand for themselves. */
function topicPattern(filter: string): string {
  const levels = filter.split('/').map((level) => {
    if (level === '+') return '[^/]*';
    return Array.from(level, (sign) => (/[\p{L}\p{N}_ -]/u.test(sign) ? sign : `\\${sign}`)).join(
      '',
    );
  });
  if (filter === '#') return '^';
  if (!filter.endsWith('/#')) return `^${levels.join('/')}$`;
  return `^${levels.slice(0, -1).join('/')}(/|$)`;
}

/** The conditions of a filter, and their parameters from `$first` on. */
export function deadLetterBounds(
  filter: DeadLetterFilter,
  first: number,
): { readonly sql: string; readonly parameters: unknown[] } {
  const { tenant, assets, ids, code, topic, replayed, unsettled } = filter;
  const { startUs, endUs, before } = filter;
  const parameters: unknown[] = [];
  const bounds: string[] = [];
  const given = (value: unknown): string => `$${first + parameters.push(value) - 1}`;
  if (tenant !== undefined) {
    const own = `tenant = ${given(tenant.name)}::text`;
    bounds.push(tenant.andNone ? `(${own} or tenant is null)` : own);
  }
  if (assets !== undefined)
    bounds.push(
      `asset in (select jsonb_array_elements_text(${given(JSON.stringify(assets))}::text::jsonb))`,
    );
  if (ids !== undefined) bounds.push(ids.length === 0 ? 'false' : `id in (${idList(ids)})`);
  if (code !== undefined) bounds.push(`code = ${given(code)}::text`);
  if (topic !== undefined) {
    const isFilter = /[+#]/.test(topic);
    bounds.push(
      isFilter
        ? `topic ~ ${given(topicPattern(topic))}::text`
        : `starts_with(topic, ${given(topic)}::text)`,
    );
  }
  if (replayed !== undefined) bounds.push(`replayed_at is ${replayed ? 'not ' : ''}null`);
  if (unsettled === true) {
    bounds.push(
      `(replay_requested_at is null or replayed_at is not null and outcome = 'dead_lettered')`,
    );
  }
  if (startUs !== undefined) bounds.push(`received_at >= ${timestampLiteral(startUs)}`);
  if (endUs !== undefined) bounds.push(`received_at < ${timestampLiteral(endUs)}`);
  if (before !== undefined) {
    const time = timestampLiteral(before.timeUs);
    // The time alone, too: chunks are left out by it and not by a comparison of pairs.
    bounds.push(`received_at <= ${time}`);
    bounds.push(`(received_at, id) < (${time}, ${given(before.id)}::int8)`);
  }
  return { sql: bounds.length === 0 ? 'true' : bounds.join('\n    and '), parameters };
}

/** Letters, the newest first, at most `limit` and of at most `bytesMax` of payload, but at least one. */
export async function selectDeadLetterRows(
  sql: Pick<Reading, 'unsafe'>,
  filter: DeadLetterFilter,
  { limit, bytesMax }: { readonly limit: number; readonly bytesMax: number },
): Promise<DeadLetterPageRow[]> {
  const bounds = deadLetterBounds(filter, 3);
  return sql.unsafe<DeadLetterPageRow[]>(selectDeadLetters(bounds.sql), [
    limit,
    bytesMax,
    ...(bounds.parameters as string[]),
  ]);
}
