// What was received and has not been read into a batch yet, tenant by tenant, given out by deficit round robin
// (Shreedhar and Varghese 1995): who sends much waits for its own, not others for it.

export interface FairQueue<T> {
  /** Items of all tenants. */
  readonly size: number;
  push(tenant: string, item: T): void;
  /** A new batch begins: no tenant has had anything of it. */
  open(): void;
  /**
   * The next item, and takes it out. Once a batch is `served`, only of a tenant that has had less than its quantum of
   * it and is not in debt: so what a small tenant sends goes with the batch that is filling, however much a large one has put in.
   */
  take(served: boolean): T | undefined;
  /** Says how many readings the item taken last held; that is known only after it was read. */
  charge(readings: number): void;
}

interface Lane<T> {
  items: T[];
  head: number;
  /** Readings that it may still have in this round; below 0 after a large message. */
  credit: number;
  /** Readings of the batch that is filling. */
  had: number;
}

/** Makes an empty queue. A tenant may have `quantum` readings of each round. */
export function createFairQueue<T>(quantum: number): FairQueue<T> {
  /** Of those that wait or have had something of this batch. */
  const lanes = new Map<string, Lane<T>>();
  /** Those that wait. */
  const round: Lane<T>[] = [];
  let at = 0;
  let size = 0;
  let taken: Lane<T> | undefined;

  function takeFrom(lane: Lane<T>): T {
    const item = lane.items[lane.head] as T;
    lane.head++;
    size--;
    if (lane.head === lane.items.length) {
      lane.items = [];
      lane.head = 0;
      lane.credit = 0;
      round.splice(at, 1);
    } else if (lane.head >= 1024 && lane.head * 2 > lane.items.length) {
      // A shift of a long array costs its length.
      lane.items = lane.items.slice(lane.head);
      lane.head = 0;
    }
    taken = lane;
    return item;
  }

  return {
    get size() {
      return size;
    },
    push(tenant, item) {
      let lane = lanes.get(tenant);
      if (lane === undefined) {
        lane = { items: [], head: 0, credit: 0, had: 0 };
        lanes.set(tenant, lane);
      }
      if (lane.items.length === 0) round.push(lane);
      lane.items.push(item);
      size++;
    },
    open() {
      for (const [tenant, lane] of lanes) {
        lane.had = 0;
        if (lane.items.length === 0) lanes.delete(tenant);
      }
    },
    take(served) {
      for (let passed = 0; passed < round.length; ) {
        if (at >= round.length) at = 0;
        const lane = round[at] as Lane<T>;
        if (served) {
          if (lane.had < quantum && lane.credit >= 0) return takeFrom(lane);
          passed++;
          at++;
        } else if (lane.credit <= 0) {
          // Nobody is asked to wait where nobody else is waiting.
          lane.credit = round.length === 1 ? quantum : lane.credit + quantum;
          if (lane.credit <= 0) at++;
          passed = 0;
        } else {
          return takeFrom(lane);
        }
      }
      return undefined;
    },
    charge(readings) {
      if (taken === undefined) return;
      taken.credit -= readings;
      taken.had += readings;
      if (taken.credit <= 0 && round[at] === taken) at++;
    },
  };
}
