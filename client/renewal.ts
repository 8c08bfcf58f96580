// A newer token for a connection whose token is about to end.
import type { Line } from './line.ts';

export interface Renewal {
  /** Brings a newer token of the same bearer over this line; where there is none yet, asks again. */
  begin(line: Line): void;
  stop(): void;
}

/** A token that is about to end is asked for anew so often, while the same comes back. */
const AGAIN_MS = 5_000;

/** Makes the renewal of a tail's tokens; nothing is under way yet. */
export function createRenewal(tokenOf: () => string | Promise<string>): Renewal {
  let renewed: Line | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function bring(line: Line): Promise<void> {
    const token = await tokenOf();
    if (line !== renewed) return;
    if (token === line.token) {
      again(line);
      return;
    }
    line.token = token;
    line.send({ type: 'reauth', token });
  }

  function again(line: Line): void {
    if (line !== renewed) return;
    clearTimeout(timer);
    timer = setTimeout(() => begin(line), AGAIN_MS);
  }

  function begin(line: Line): void {
    renewed = line;
    clearTimeout(timer);
    bring(line).catch(() => again(line));
  }

  return {
    begin,
    stop() {
      renewed = undefined;
      clearTimeout(timer);
    },
  };
}
