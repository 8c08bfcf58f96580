// Follows the present: a tail of what the charts show, which begins where a range's answer ended.
import type { Frame, FrameBucket, FramePoint } from '../../client/frames.ts';
import { TailError } from '../../client/refusal.ts';
import { type Tail, tail } from '../../client/tail.ts';
import {
  FOLLOWS_NOTHING,
  type FollowEvent,
  type FollowState,
  nextFollow,
  wholeUntilMs,
} from './follow-state.ts';

export interface FollowingListener {
  state(state: FollowState): void;
  points(points: readonly FramePoint[]): void;
  buckets(buckets: readonly FrameBucket[]): void;
  /** Readings were not sent, now or since the cursor: only a new range shows them. */
  gap(): void;
  /** The token in use ends soon. */
  tokenEnds(): void;
}

export interface Following {
  /** Follows these series from a range's cursor; replaces what was followed before. */
  follow(ids: readonly number[], cursor: string): void;
  stop(): void;
  /** Tries again now. */
  retry(): void;
  /** There is a newer token of the same bearer: goes on under it, over the same connection. */
  renew(): void;
  readonly state: FollowState;
  /** Whether history is being asked for that is not on the charts. */
  missing(isMissing: boolean): void;
  readonly isMissing: boolean;
  /** Until when the charts are whole, where something is missing since: ms since 1970. */
  readonly wholeUntilMs: number | undefined;
}

interface Run {
  readonly frames: Tail;
  readonly abort: AbortController;
}

/** Makes one that follows nothing. `token` is asked for at each connection. */
export function createFollowing(
  token: () => string | undefined,
  listener: FollowingListener,
): Following {
  let facts = FOLLOWS_NOTHING;
  let run: Run | undefined;

  function tell(event: FollowEvent): void {
    const before = facts.shown;
    facts = nextFollow(facts, event, Date.now());
    if (facts.shown.kind !== before.kind || facts.shown.kind === 'offline') {
      listener.state(facts.shown);
    }
  }

  function take(frame: Frame): void {
    switch (frame.type) {
      case 'subscribed':
        if (frame.recovered === false) listener.gap();
        tell({ kind: 'answered' });
        break;
      case 'data':
        listener.points(frame.points);
        if (frame.dropped > 0) listener.gap();
        break;
      case 'summary':
        listener.buckets(frame.buckets);
        listener.gap();
        break;
      case 'warning':
        if (frame.code === 'token_expiring') listener.tokenEnds();
        break;
    }
  }

  async function read(mine: Run): Promise<void> {
    try {
      for await (const frame of mine.frames) if (run === mine) take(frame);
    } catch (thrown) {
      if (run !== mine) return;
      run = undefined;
      const error = thrown instanceof TailError ? thrown : new TailError('failed', String(thrown));
      const { code, problem, message } = error;
      tell({ kind: 'refused', code, problem, reason: message });
    }
  }

  function stop(): void {
    const { abort } = run ?? {};
    run = undefined;
    abort?.abort();
  }

  return {
    follow(ids, cursor) {
      stop();
      const abort = new AbortController();
      // No maxHz: it would leave points out, and the line is to be the line of all points.
      const frames = tail({
        url: window.location.origin,
        token: () => token() ?? '',
        series: ids.map(String),
        since: cursor,
        signal: abort.signal,
        onState(state) {
          if (run === mine) tell({ kind: 'tail', state });
        },
      });
      const mine: Run = { frames, abort };
      run = mine;
      void read(mine);
    },
    stop() {
      stop();
      tell({ kind: 'stopped' });
    },
    retry: () => run?.frames.retry(),
    renew: () => run?.frames.renew(),
    get state() {
      return facts.shown;
    },
    missing: (isMissing) => tell({ kind: 'missing', isMissing }),
    get isMissing() {
      return facts.isMissing;
    },
    get wholeUntilMs() {
      return wholeUntilMs(facts);
    },
  };
}
