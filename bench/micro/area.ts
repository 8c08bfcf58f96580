// Micro-benchmarks: single modules, each against the least that its work could cost, timed by tinybench.
import { Bench } from 'tinybench';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { copyBinaryBenches } from './copy-binary.ts';
import { decodeBenches } from './decode.ts';
import { encodeBenches } from './encode.ts';
import { mergeBenches } from './merge.ts';
import { planBenches } from './plan.ts';
import { policyBenches } from './policy.ts';
import { selectorBenches } from './selector.ts';

/** One operation of a module and, beside it, the least that any implementation of it would do. */
export interface MicroBench {
  /** The module's file name without `.ts`, and what of it: `decode values of 100 channels`. */
  readonly name: string;
  run(): unknown;
  readonly floor: { readonly name: string; run(): unknown };
}

/** Makes every micro-benchmark a case. */
export async function openMicro(context: BenchContext): Promise<OpenArea> {
  const benches: MicroBench[] = [
    ...decodeBenches(),
    ...copyBinaryBenches(),
    ...selectorBenches(),
    ...planBenches(),
    ...mergeBenches(),
    ...encodeBenches(),
    ...(await policyBenches(context)),
  ];
  return {
    cases: benches.map((bench) => caseOf(bench, context)),
    versions: {},
  };
}

function caseOf(bench: MicroBench, context: BenchContext): BenchCase {
  const timeMs = context.quick ? 100 : 300;
  return {
    name: `micro/${bench.name}`,
    unit: 'operations/s',
    better: 'more',
    run: () => timeOperation(bench.name, bench.run, timeMs),
    ceiling: {
      name: bench.floor.name,
      run: () => timeOperation(bench.floor.name, bench.floor.run, timeMs),
    },
  };
}

/** Operations a second by the median duration: a collection of garbage in between does not count. */
async function timeOperation(name: string, run: () => unknown, timeMs: number): Promise<number> {
  const bench = new Bench({ time: timeMs, warmupTime: timeMs, throws: true });
  bench.add(name, run);
  const [task] = await bench.run();
  const middleMs = task?.result?.latency.p50;
  if (middleMs === undefined) throw new Error(`${name} was not measured`);
  return 1000 / middleMs;
}
