// The clock of measurements that begin in one process and end in another.

/** The finest clock that two processes of one machine have in common: ms since 1970 UTC. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
