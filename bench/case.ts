// What a bench case is: a workload beside the ceiling that it could reach at best, both measured in the same run.
import type { Lifecycle } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';

/** What one case has to reach, for the table; the JSON report carries figures only. */
export type Target =
  /** Share of the ceiling, 0.6 for 60 %. */
  | { readonly kind: 'ratio'; readonly min: number }
  /** The value itself, in the case's unit. */
  | { readonly kind: 'value'; readonly max: number };

export interface BenchCase {
  /** `<area>/<what>`, the same from release to release: reports are compared by it. */
  readonly name: string;
  /** Of value and ceiling alike: `readings/s`, `ms`. */
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly target?: Target;
  /** A run of minutes, which is an average by itself: measured once, without a warm-up. */
  readonly once?: true;
  /** Does the work once and gives the figure. */
  run(): Promise<number>;
  /** The same work with nothing of ours in the way. */
  readonly ceiling: { readonly name: string; run(): Promise<number> };
}

/** Versions of what a report was measured with; null where the cases did not use it. */
export interface Versions {
  readonly node: string;
  readonly tailrace: string;
  readonly database: string | null;
  readonly timescaledb: string | null;
  readonly mosquitto: string | null;
}

export interface BenchContext {
  /** Less data and shorter runs: minutes become seconds, ratios stay comparable. */
  readonly quick: boolean;
  readonly log: Log;
  /** Takes what an area starts: all of it stops when the area is done, or the bench is told to end. */
  readonly lifecycle: Lifecycle;
  /** A connection URL of a TimescaleDB to measure instead of the embedded one. */
  readonly databaseUrl: string | undefined;
  /** Tells a waiting human what goes on. */
  note(text: string): void;
}

/** An area that has its services and data, ready to be measured. */
export interface OpenArea {
  readonly cases: readonly BenchCase[];
  readonly versions: Partial<Versions>;
}

export interface Area {
  readonly name: string;
  /** One line for `--list`. */
  readonly about: string;
  open(context: BenchContext): Promise<OpenArea>;
}
