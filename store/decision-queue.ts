// Decisions that wait to be written, within bounds, and the account of those that did not fit. A tenant has no more
// places than are left for others: one alone has half of them, and however many ask, some are free for the next. Pure.

/** What the queue has to know of a decision. */
export interface Recordable {
  readonly input: { readonly nowMs: number };
  readonly grant: {
    readonly allow: boolean;
    readonly tenant: string;
    readonly selectors: readonly unknown[];
  };
}

/** Decisions that were lost, of one tenant or of those that could not be told apart; ms since 1970 UTC. */
export interface Gap {
  readonly tenant: string | null;
  readonly lost: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface QueueLimits {
  readonly decisions: number;
  /** Of all decisions together: one may have thousands. */
  readonly selectors: number;
  /** Tenants whose losses are counted apart. */
  readonly gaps: number;
}

export interface DecisionQueue<D> {
  /** Takes a decision in, or counts it as lost where it does not fit. */
  push(decision: D): boolean;
  /** The oldest decisions, which stay in the queue. */
  oldest(count: number): readonly D[];
  /** Takes out the oldest. */
  drop(count: number): void;
  /** Counts a decision as lost that is not in the queue (any more). */
  lose(decision: D): void;
  /** Takes gaps out. */
  takeGaps(count: number): Gap[];
  /** Counts gaps that could not be written. */
  putBack(gaps: readonly Gap[]): void;
  /** Decisions in the queue. */
  readonly size: number;
  readonly selectors: number;
  /** Tenants with a gap. */
  readonly gaps: number;
  /** How many decisions have been taken in since the beginning. */
  readonly taken: number;
}

/** What a tenant has in the queue. */
interface Share {
  decisions: number;
  selectors: number;
}

/** Dropped places at the front are given back when there are so many. */
const COMPACT_MIN = 1_024;

/** Makes an empty queue. */
export function createDecisionQueue<D extends Recordable>(limits: QueueLimits): DecisionQueue<D> {
  let waiting: D[] = [];
  let head = 0;
  let selectors = 0;
  let taken = 0;
  const gaps = new Map<string | null, Gap>();
  /** Of those that have any. */
  const shares = new Map<string, Share>();

  function addGap(gap: Gap): void {
    const known = gaps.has(gap.tenant) || gaps.size < limits.gaps;
    const tenant = known ? gap.tenant : null;
    const before = gaps.get(tenant);
    if (before === undefined) {
      gaps.set(tenant, { ...gap, tenant });
      return;
    }
    gaps.set(tenant, {
      tenant,
      lost: before.lost + gap.lost,
      fromMs: Math.min(before.fromMs, gap.fromMs),
      toMs: Math.max(before.toMs, gap.toMs),
    });
  }

  function lose({ input, grant }: D): void {
    const { nowMs } = input;
    addGap({ tenant: grant.tenant, lost: 1, fromMs: nowMs, toMs: nowMs });
  }

  /** Counts one more or one fewer decision, with its selectors. */
  function count({ grant }: D, sign: 1 | -1): void {
    const share = shares.get(grant.tenant) ?? { decisions: 0, selectors: 0 };
    share.decisions += sign;
    share.selectors += sign * grant.selectors.length;
    selectors += sign * grant.selectors.length;
    if (share.decisions === 0) shares.delete(grant.tenant);
    else shares.set(grant.tenant, share);
  }

  function fits({ grant }: D): boolean {
    const { tenant, selectors: more } = grant;
    const own = shares.get(tenant) ?? { decisions: 0, selectors: 0 };
    const free = limits.decisions - (waiting.length - head) - 1;
    const freeSelectors = limits.selectors - selectors - more.length;
    return own.decisions + 1 <= free && own.selectors + more.length <= freeSelectors;
  }

  return {
    push(decision) {
      if (!fits(decision)) {
        lose(decision);
        return false;
      }
      count(decision, 1);
      taken += 1;
      waiting.push(decision);
      return true;
    },
    oldest: (howMany) => waiting.slice(head, head + howMany),
    drop(howMany) {
      const end = Math.min(waiting.length, head + howMany);
      for (; head < end; head++) {
        const dropped = waiting[head];
        if (dropped !== undefined) count(dropped, -1);
      }
      if (head < COMPACT_MIN && head < waiting.length) return;
      waiting = waiting.slice(head);
      head = 0;
    },
    lose,
    takeGaps(count) {
      const some = [...gaps.values()].slice(0, count);
      for (const { tenant } of some) gaps.delete(tenant);
      return some;
    },
    putBack(some) {
      for (const gap of some) addGap(gap);
    },
    get size() {
      return waiting.length - head;
    },
    get selectors() {
      return selectors;
    },
    get gaps() {
      return gaps.size;
    },
    get taken() {
      return taken;
    },
  };
}
