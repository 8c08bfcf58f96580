// The snapshot that a subscription begins with: a range, decided and read as any other.
import { TailraceError } from '../../lib/errors.ts';
import { sameObligations, sameSelectors } from '../../policies/decide/renewal.ts';
import type { Claims, Grant } from '../../policies/grant.ts';
import { resolveChoice } from '../choice.ts';
import type { RequestFacts } from '../http/routes.ts';
import { parameterReader } from '../parameters.ts';
import { askedStepMs } from '../range/cut.ts';
import { within } from '../range/deadline.ts';
import { type Answered, rangeJson, rangeValue } from '../range/encode.ts';
import { RANGE_PARAMETERS, readRangeQuery } from '../range/parameters.ts';
import { admitRange, readRange } from '../range/read.ts';
import type { ServerFrame, SubscribeFrame } from './frames.ts';
import type { TailServices } from './tails.ts';

export interface SnapshotFrame extends ServerFrame {
  readonly type: 'snapshot';
  readonly id: string;
  /** The frame as JSON, written by hand as ranges are. */
  toText(): string;
  /** The frame as a value. */
  toValue(): Record<string, unknown>;
}

/** True for a frame that brings its own encodings. */
export function isSnapshot(frame: ServerFrame): frame is SnapshotFrame {
  return frame.type === 'snapshot' && typeof frame.toText === 'function';
}

/** The range parameters of a snapshot, with the subscription's own series. */
export function snapshotQuery(frame: SubscribeFrame, nowMs: number) {
  const parameters = new URLSearchParams(frame.snapshot);
  for (const name of ['series', 'match', 'format', 'page']) parameters.delete(name);
  // A choice is needed to read the rest; the one that counts is the subscription's.
  parameters.set('series', '0');
  const query = readRangeQuery(parameterReader(parameters, RANGE_PARAMETERS), nowMs * 1_000);
  return { ...query, choice: frame.choice };
}

/** A snapshot whose rules change while it is read is read again, so many times at most. */
const READINGS_MAX = 3;

/** What a snapshot asks for, and what the policy says to it. Throws what a range throws. */
function decideSnapshot(
  frame: SubscribeFrame,
  claims: Claims,
  facts: RequestFacts,
  services: TailServices,
  nowMs: number,
  renews?: Grant,
) {
  const query = snapshotQuery(frame, nowMs);
  const asked = {
    ...facts,
    start: (query.startUs - query.offsetUs) / 1_000,
    end: (query.endUs - query.offsetUs) / 1_000,
    step_ms: askedStepMs(query),
  };
  const grant = services.authority.decide('range', claims, asked, nowMs, { renews });
  const { series } = resolveChoice(frame.choice, grant, services.catalogue);
  /** True where the policy still says the same, to who asks now. */
  const stillHolds = (claimsNow: Claims) => {
    const asking = { renews: grant };
    const again = services.authority.ask('range', claimsNow, asked, services.clock(), asking);
    return (
      again.allow &&
      sameSelectors(again.selectors, grant.selectors) &&
      sameObligations(again.obligations, grant.obligations)
    );
  };
  return { query, grant, series, stillHolds };
}

/** Says whether a snapshot would be read, without reading it; gives the decision. Throws what a range throws. */
export function admitSnapshot(
  frame: SubscribeFrame,
  claims: Claims,
  facts: RequestFacts,
  services: TailServices,
): Grant {
  const nowMs = services.clock();
  const { query, grant, series } = decideSnapshot(frame, claims, facts, services, nowMs);
  admitRange(series, query, grant, nowMs * 1_000);
  return grant;
}

/** Reads until the policy says the same after as before. `claimsOf` gives those of the connection at the moment. */
async function readAllowed(
  frame: SubscribeFrame,
  claimsOf: () => Claims,
  facts: RequestFacts,
  services: TailServices,
  signal: AbortSignal,
  renews: Grant | undefined,
): Promise<Answered> {
  for (let reading = 1; reading <= READINGS_MAX; reading += 1) {
    const nowMs = services.clock();
    const decided = decideSnapshot(frame, claimsOf(), facts, services, nowMs, renews);
    const { query, grant, series } = decided;
    const { tables, answer, stepMs } = await within(query.timeoutMs, signal, (ended) => {
      const sources = { feed: services.feed, rangeReader: services.readerOf(claimsOf(), ended) };
      return readRange(series, query, grant, sources, nowMs * 1_000);
    });
    // A frame has no next page: points that did not fit into the limit are missing, and it says so.
    const complete = answer.complete && answer.next === undefined;
    if (decided.stillHolds(claimsOf())) {
      return { tables, stepMs, answer: { ...answer, complete }, grant, next: undefined };
    }
  }
  throw new TailraceError('overloaded', 'The rules changed while it was read; subscribe again.');
}

/**
 * Reads the snapshot of a subscription, until `signal` fires; `renews` is the decision that admitted it. Throws what a
 * range throws.
 */
export async function snapshotFrame(
  frame: SubscribeFrame,
  claimsOf: () => Claims,
  facts: RequestFacts,
  services: TailServices,
  signal: AbortSignal,
  renews: Grant | undefined,
): Promise<SnapshotFrame> {
  const answered = await readAllowed(frame, claimsOf, facts, services, signal, renews);
  const head = { type: 'snapshot', id: frame.id } as const;
  return {
    ...head,
    toText: () => {
      const body = rangeJson(answered).body.toString();
      return `${JSON.stringify(head).slice(0, -1)},${body.slice(1)}`;
    },
    toValue: () => ({ ...head, ...rangeValue(answered) }),
  };
}
