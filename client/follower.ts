// Keeps one subscription: connects, subscribes, and comes back where it left off, until it is stopped or refused.
import type { FrameQueue } from './frame-queue.ts';
import type { Frame } from './frames.ts';
import { type Line, openLine, type SocketClass } from './line.ts';
import { meaningOf, TailError } from './refusal.ts';
import { createRenewal } from './renewal.ts';
import { bringsSnapshot, type Resume, resumeAfter } from './resume.ts';
import type { TailOptions } from './tail.ts';
import { FIRST_STATE, nextTailState, type TailEvent, type TailState } from './tail-state.ts';

export interface Follower {
  readonly state: TailState;
  start(): void;
  /** Tries again now, where it is offline. */
  retry(): void;
  /** Brings a newer token, where there is one. */
  renew(): void;
  stop(): void;
}

export type FollowerOptions = TailOptions & {
  readonly silenceMs: number;
  readonly WebSocket: SocketClass;
  readonly queue: FrameQueue;
};

/** No frame for so long after subscribing means that nothing was missed: there is no frame that says so. */
const CAUGHT_UP_MS = 250;
const ID = 'tail';

/** Makes a follower that has not started. */
export function createFollower(options: FollowerOptions): Follower {
  const { queue, onState } = options;
  const wantsSnapshot = options.snapshot !== undefined;
  const renewal = createRenewal(options.token);
  let state: TailState = FIRST_STATE;
  let resume: Resume = { cursor: options.since, pending: undefined };
  const urls = [options.url].flat();
  let line: Line | undefined;
  /** Connections that were made or tried. */
  let dialled = 0;
  let unknown = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function tell(event: TailEvent): void {
    const next = nextTailState(state, event);
    if (next === state) return;
    state = next;
    clearTimeout(timer);
    if (state.kind === 'connecting') dial();
    if (state.kind === 'offline') timer = setTimeout(retry, state.retryInMs);
    if (state.kind === 'catching up' && resume.pending === undefined) {
      timer = setTimeout(() => tell({ kind: 'caught up' }), CAUGHT_UP_MS);
    }
    onState?.(state);
  }

  function retry(): void {
    // Whoever has not taken what came does not get more: it comes back when all of that is taken.
    if (state.kind === 'offline' && !queue.isFull) tell({ kind: 'retry' });
  }

  function dial(): void {
    unknown = 0;
    const url = urls[dialled % urls.length] ?? '';
    dialled += 1;
    line = openLine({
      ...{ ...options, url, frame: arrived },
      opened: () => line?.send(subscribeFrame(options, resume)),
      ended({ reason, code, problem, isFinal, silentMs }) {
        if (isFinal) fail(new TailError(String(code), reason, problem));
        else lose(reason, silentMs);
      },
    });
  }

  function hangUp(event: TailEvent): void {
    line?.close();
    line = undefined;
    renewal.stop();
    tell(event);
  }

  function lose(reason: string, silentMs = 0): void {
    hangUp({ kind: 'lost', reason, silentMs, spread: Math.random() });
  }

  function fail(error: TailError): void {
    hangUp({ kind: 'end', reason: error.message });
    queue.end(error);
  }

  function arrived(frame: Frame, size: number): void {
    resume = resumeAfter(resume, frame, wantsSnapshot);
    queue.put({ frame, size, cursor: resume.cursor });
    const event = eventOf(frame, options);
    if (event !== undefined) tell(event);
    if (frame.type === 'warning' && frame.code === 'token_expiring' && line)
      renewal.begin(line, 'until newer');
    if (frame.type === 'error') failed(frame);
    if (queue.isFull && line !== undefined) lose('The reader does not take what comes.');
  }

  function failed(error: Frame & { type: 'error' }): void {
    const meaning = meaningOf(error, ID);
    if (meaning === 'without a series') unknown += 1;
    const isNone = unknown > 0 && unknown === new Set(options.series?.map(String)).size;
    if (meaning === 'final' || isNone) fail(new TailError(error.code, error.detail));
    else if (meaning === 'lost') lose(error.detail);
  }

  return {
    get state() {
      return state;
    },
    start() {
      dial();
      onState?.(state);
    },
    retry,
    renew() {
      if (line !== undefined) renewal.begin(line, 'once');
    },
    stop() {
      hangUp({ kind: 'end', reason: 'It was stopped.' });
      queue.clear();
      queue.end();
    },
  };
}

/** What a frame means for the state. */
function eventOf(frame: Frame, { snapshot, maxHz }: TailOptions): TailEvent | undefined {
  switch (frame.type) {
    case 'subscribed': {
      const isCaughtUp = frame.recovered !== true && !bringsSnapshot(frame, snapshot !== undefined);
      return { kind: 'subscribed', isCaughtUp };
    }
    case 'snapshot':
      return { kind: 'caught up' };
    case 'data':
      // Whoever asked for less than all points is not slow.
      return { kind: frame.dropped > 0 && maxHz === undefined ? 'summary' : 'data' };
    case 'summary':
      return { kind: 'summary' };
    default:
      return undefined;
  }
}

function subscribeFrame(options: TailOptions, { cursor }: Resume): object {
  const { series, match, snapshot, maxHz } = options;
  return { type: 'subscribe', id: ID, series, match, snapshot, since: cursor, max_hz: maxHz };
}
