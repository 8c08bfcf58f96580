// Decisions: how many a second, and how long one takes, against the JSON that goes into the rules and comes out.
import type { BenchCase, BenchContext } from '../case.ts';
import type { RuleSet } from './rule-sets.ts';
import { type AskRange, callsPerSecond, percentileOfCalls, shareOf, timeOf } from './timing.ts';

/** What a simple rule has to keep to. */
const TARGET_P50_US = 25;
const FLOOR = 'its input and its answer to JSON and back';

/** Deciding, and the JSON that is the least of it. */
interface Work {
  readonly decide: () => unknown;
  readonly floor: () => unknown;
}

function workOf({ name, policy, input }: RuleSet): Work {
  const decide = () => {
    const grant = policy.decide(input);
    if (!grant.allow) throw new Error(`${name}: ${grant.reason}`);
    return grant;
  };
  const { selectors, obligations, reason } = decide();
  const answer = { allow: true, reason, series: selectors, obligations };
  return {
    decide,
    floor: () => [
      JSON.parse(JSON.stringify(input)) as unknown,
      JSON.parse(JSON.stringify(answer)) as unknown,
    ],
  };
}

/** Cases for each rule set. */
export function decisionCases(context: BenchContext, ruleSets: readonly RuleSet[]): BenchCase[] {
  return ruleSets.flatMap((ruleSet) => casesOf(ruleSet, timeOf(context)));
}

/** One decision as a share of a range request. */
export function decisionShareCases(
  context: BenchContext,
  ruleSets: readonly RuleSet[],
  askRange: AskRange,
): BenchCase[] {
  const timeMs = timeOf(context);
  return ruleSets.map((ruleSet) => {
    const { decide, floor } = workOf(ruleSet);
    return {
      ...{ name: `policy/${ruleSet.name}, of a range request`, unit: '%', better: 'less' },
      run: () => shareOf(askRange, timeMs, decide),
      ceiling: { name: FLOOR, run: () => shareOf(askRange, timeMs, floor) },
    };
  });
}

function casesOf(ruleSet: RuleSet, timeMs: number): BenchCase[] {
  const { name } = ruleSet;
  const { decide, floor } = workOf(ruleSet);
  const rate: BenchCase = {
    ...{ name: `policy/${name}`, unit: 'decisions/s', better: 'more' },
    run: async () => callsPerSecond(timeMs, decide),
    ceiling: { name: FLOOR, run: async () => callsPerSecond(timeMs, floor) },
  };
  const percentiles = [
    {
      ...{ suffix: 'p50', fraction: 0.5 },
      ...(name === 'viewer' ? { target: { kind: 'value', max: TARGET_P50_US } as const } : {}),
    },
    { suffix: 'p99', fraction: 0.99 },
  ];
  return [
    rate,
    ...percentiles.map(
      ({ suffix, fraction, ...target }): BenchCase => ({
        ...{ name: `policy/${name} ${suffix}`, unit: 'µs', better: 'less', ...target },
        run: () => percentileOfCalls(timeMs, fraction, decide),
        ceiling: { name: FLOOR, run: () => percentileOfCalls(timeMs, fraction, floor) },
      }),
    ),
  ];
}
