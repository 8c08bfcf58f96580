// Waiting that can be ended.
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits, or ends at once where all is to stop. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
