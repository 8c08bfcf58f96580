// How many of something each key has now: requests being answered, open tails, connections. A key that has none is not
// kept, so there are never more keys than things counted, and these have limits of their own.

/** Gives back what was entered; a second call does nothing. */
export type Release = () => void;

export interface Counts {
  readonly max: number;
  hasRoom(key: string): boolean;
  /** Counts one more, whether there is room or not. */
  enter(key: string): Release;
  /** Keys that have any. */
  readonly size: number;
}

/** Makes counts; a key has room for `max`. */
export function createCounts(max: number): Counts {
  const counts = new Map<string, number>();

  function leave(key: string): void {
    const left = (counts.get(key) ?? 0) - 1;
    if (left > 0) counts.set(key, left);
    else counts.delete(key);
  }

  return {
    max,
    hasRoom: (key) => (counts.get(key) ?? 0) < max,
    enter(key) {
      counts.set(key, (counts.get(key) ?? 0) + 1);
      let isIn = true;
      return () => {
        if (isIn) leave(key);
        isIn = false;
      };
    },
    get size() {
      return counts.size;
    },
  };
}
