// The advisory locks of the program, in one place so that no two meanings share a number. Each is a pair: the class
// ("tail" in ASCII, so that other programs on the same server keep out of the way) and the lock.

const LOCK_CLASS = 0x7461696c;

/** One process at a time changes the schema. */
export const MIGRATION_LOCK = [LOCK_CLASS, 1] as const;
/** Shared by writers from their lateness check to their commit; exclusive while the refresher moves the horizon. */
export const LATE_HORIZON_LOCK = [LOCK_CLASS, 2] as const;
/** One process at a time refreshes rollups. Held by a session: a refresh cannot run inside a transaction. */
export const REFRESHER_LOCK = [LOCK_CLASS, 3] as const;

/**
 * The other class, by the number of a process that appends to the feed: shared by the process for as long as it lives, and
 * by its writers from the beginning of a transaction to its end; exclusive while a gap is appended in its place.
 */
export const FEED_WRITER_LOCK_CLASS = LOCK_CLASS + 1;
