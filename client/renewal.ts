// A newer token for a connection whose token is about to end.
import type { Line } from './line.ts';

export interface Renewal {
  /** Brings a newer token of the same bearer over this line; where there is none yet, asks again if told so. */
  begin(line: Line, how: 'once' | 'until newer'): void;
  stop(): void;
}

/** A token is asked for anew so often, while the same comes back or the line is not open yet. */
const AGAIN_MS = 5_000;

/** Makes the renewal of a tail's tokens; nothing is under way yet. */
export function createRenewal(tokenOf: () => string | Promise<string>): Renewal {
  let renewed: Line | undefined;
  let isEnding = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function bring(line: Line): Promise<void> {
    const token = await tokenOf();
    if (line !== renewed) return;
    const isNewer = token !== line.token;
    if (!isNewer && !isEnding) return;
    if (isNewer && line.send({ type: 'reauth', token })) {
      line.token = token;
      isEnding = false;
    } else again(line);
  }

  function again(line: Line): void {
    if (line !== renewed) return;
    clearTimeout(timer);
    timer = setTimeout(() => start(line), AGAIN_MS);
  }

  function start(line: Line): void {
    renewed = line;
    clearTimeout(timer);
    bring(line).catch(() => again(line));
  }

  return {
    begin(line, how) {
      isEnding ||= how === 'until newer';
      start(line);
    },
    stop() {
      renewed = undefined;
      isEnding = false;
      clearTimeout(timer);
    },
  };
}
