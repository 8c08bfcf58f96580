// An event stream as a browser's EventSource keeps it: when it breaks it is asked for again by the same URL and with the
// last id, and an answer that is no stream ends it for good (HTML, 9.2.3).
import { pause } from '../lib/pause.ts';
import type { Frame } from './tail-client.ts';

export interface EventSourceClient {
  /** Of each attempt that was answered. */
  readonly statuses: readonly number[];
  stop(): Promise<void>;
}

/** Shorter than the server says, so that no test waits for it. */
const RETRY_MS = 50;

/** Opens it, and gives each frame to `take`. */
export function openEventSource(url: string, take: (frame: Frame) => void): EventSourceClient {
  const stopping = new AbortController();
  const { signal } = stopping;
  const statuses: number[] = [];
  let lastId: string | undefined;

  function dispatch(event: string): void {
    const data = /^data: (.*)$/m.exec(event)?.[1];
    lastId = /^id: (.*)$/m.exec(event)?.[1] ?? lastId;
    if (data !== undefined) take(JSON.parse(data));
  }

  async function readOnce(): Promise<boolean> {
    const id = lastId === undefined ? {} : { 'last-event-id': lastId };
    const response = await fetch(url, { headers: { accept: 'text/event-stream', ...id }, signal });
    statuses.push(response.status);
    if (response.status !== 200) return false;
    let text = '';
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString();
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) dispatch(event);
    }
    return true;
  }

  async function readOn(): Promise<void> {
    let isWanted = true;
    while (isWanted && !signal.aborted) {
      // A connection that breaks is why there is a next one.
      isWanted = await readOnce().catch(() => true);
      await pause(RETRY_MS, signal);
    }
  }

  const reading = readOn();
  return {
    statuses,
    stop() {
      stopping.abort();
      return reading;
    },
  };
}
