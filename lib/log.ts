// The log: one JSON object a line on standard error, so that standard output stays free for answers.
import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Makes the process's log. `level` is one of pino's: trace, debug, info, warn, error, fatal, silent. */
export function createLog(level: string): Log {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination(2));
}
