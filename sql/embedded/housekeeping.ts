// What a server's other processes do and nobody does here: checkpoints, so that the log does not grow for ever and a
// restart after a crash is quick; vacuum and statistics, as autovacuum would.
import type { Backend } from './backend.ts';

/**
 * Bytes of log after which a checkpoint is made even while clients are busy. Measured under ingest at full rate on a busy
 * machine: 50 to 105 ms after 16 MB of log, 60 to 90 ms after 35 MB, 90 to 220 ms after 125 MB. Fewer would hold clients
 * for too long at once, more would write the same pages again and again (and log each whole at its next change).
 */
export const CHECKPOINT_BYTES_MAX = 32 * 1024 * 1024;
/** The same when nobody has used the database for a while. */
export const IDLE_CHECKPOINT_BYTES_MAX = 256 * 1024;

const SELECT_LOG_BYTES = `
select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn) from pg_control_checkpoint()`;

/** Bytes of log since the last checkpoint. */
export function selectLogBytes(backend: Backend): number {
  return Number(backend.query(SELECT_LOG_BYTES)[0]?.[0] ?? 0);
}

export interface TableChanges {
  readonly table: string;
  /** Rows at the last vacuum or analyze; -1 if there was none. */
  readonly rows: number;
  readonly pages: number;
  /** Rows changed or deleted since the engine was opened, which leave dead ones. */
  readonly dead: number;
  /** All of inserted, changed and deleted. */
  readonly changed: number;
}

/** What had been seen of a table when it was last cleaned. */
export type Cleaned = ReadonlyMap<string, { readonly dead: number; readonly changed: number }>;

// The engine's statistics are never flushed from the session that counts them, so the session's own are the account.
const SELECT_CHANGES = `
select s.relid::regclass::text, c.reltuples, c.relpages, s.n_tup_upd + s.n_tup_del,
  s.n_tup_ins + s.n_tup_upd + s.n_tup_del
from pg_stat_xact_all_tables s join pg_class c on c.oid = s.relid
where s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 500 and c.relkind = 'r' and c.relpersistence = 'p'`;

export function selectChanges(backend: Backend): TableChanges[] {
  return backend.query(SELECT_CHANGES).map(([table, rows, pages, dead, changed]) => ({
    table: table ?? '',
    rows: Number(rows),
    pages: Number(pages),
    dead: Number(dead),
    changed: Number(changed),
  }));
}

// As autovacuum's defaults, but analyze later: a chunk in which rows only arrive is read by its index anyway.
const DEAD_MIN = 500;
const DEAD_SHARE = 0.2;
const CHANGED_MIN = 20_000;
const CHANGED_SHARE = 0.5;
/** A vacuum cannot be cut: of a table beyond this (40 MB) it would hold everybody for too long. Compression rewrites it. */
const VACUUM_PAGES_MAX = 5_000;

/** The table that wants cleaning most, and how; undefined if none does. */
export function nextCleaning(
  tables: readonly TableChanges[],
  cleaned: Cleaned,
): { readonly table: TableChanges; readonly statement: string } | undefined {
  let best: { urgency: number; table: TableChanges; statement: string } | undefined;
  for (const table of tables) {
    const before = cleaned.get(table.table) ?? { dead: 0, changed: 0 };
    const rows = Math.max(table.rows, 0);
    const dead = (table.dead - before.dead) / (DEAD_MIN + DEAD_SHARE * rows);
    const changed = (table.changed - before.changed) / (CHANGED_MIN + CHANGED_SHARE * rows);
    const vacuums = dead >= 1 && table.pages <= VACUUM_PAGES_MAX;
    const urgency = Math.max(vacuums ? dead : 0, changed);
    if (urgency < 1 || urgency <= (best?.urgency ?? 0)) continue;
    const statement = `${vacuums ? 'vacuum (analyze)' : 'analyze'} ${table.table}`;
    best = { urgency, table, statement };
  }
  return best;
}
