// A tail of tailrace/client that is followed for the length of a test, with all that it told.
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { Frame } from '../client/frames.ts';
import { type Tail, type TailOptions, tail } from '../client/tail.ts';
import type { TailState } from '../client/tail-state.ts';
import { createView, type View } from '../client/view.ts';

export interface FollowedTail {
  readonly tail: Tail;
  readonly view: View;
  readonly frames: Frame[];
  readonly states: TailState['kind'][];
  /** Rejects with what the tail ended with, where nobody ended it. */
  readonly ended: Promise<void>;
  abort(): void;
}

/** Follows until the test is over, if nothing ends it before. */
export function followTail(options: TailOptions): FollowedTail {
  const abort = new AbortController();
  onTestFinished(() => abort.abort());
  const view = createView();
  const frames: Frame[] = [];
  const states: TailState['kind'][] = [];
  const followed = tail({
    ...{ WebSocket, signal: abort.signal, ...options },
    onState: (state) => states.push(state.kind),
  });
  async function read(): Promise<void> {
    for await (const frame of followed) {
      frames.push(frame);
      view.take(frame);
    }
  }
  const ended = read();
  ended.catch(() => undefined);
  return { tail: followed, view, frames, states, ended, abort: () => abort.abort() };
}
