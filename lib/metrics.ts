// The process's metrics in OpenMetrics form. Everything else names and feeds them; only this file knows the library.
import { Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client';

export interface Metrics {
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /**
   * A counter with one label whose values are read when it is asked for. All that is read for one exposition is read
   * in one turn, so sums over several such metrics hold in it.
   */
  counted<V extends string>(
    name: string,
    help: string,
    label: string,
    read: () => Readonly<Record<V, number>>,
  ): void;
  /** A gauge that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void;
  /** `buckets` are upper bounds in the metric's unit. */
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
  /** `tailrace_<what>_size` and `tailrace_<what>_max` of one queue or cache. */
  bounded(what: string, size: () => number, max: number): void;
  /** The whole exposition, to be served as `contentType`. */
  exposition(): Promise<string>;
  readonly contentType: string;
}

/** Makes a registry of its own, so that several servers can live in one process (tests do). */
export function createMetrics(): Metrics {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const registers = [registry];

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  return {
    counter: (name, help, labels = []) =>
      new Counter({ name, help, labelNames: labels as never[], registers }),
    counted(name, help, label, read) {
      new Counter({
        name,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [value, count] of Object.entries<number>(read())) {
            this.inc({ [label]: value }, count);
          }
        },
      });
    },
    gauge,
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({
        name,
        help,
        buckets: [...buckets],
        labelNames: labels as never[],
        registers,
      }),
    bounded(what, size, max) {
      gauge(`tailrace_${what}_size`, `entries in ${what.replaceAll('_', ' ')} now`, size);
      gauge(
        `tailrace_${what}_max`,
        `most entries that ${what.replaceAll('_', ' ')} takes`,
        () => max,
      );
    },
    exposition: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

/** Upper bounds in seconds for whatever lasts from a tenth of a millisecond to ten seconds. */
export const DURATION_BUCKETS_S = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;
