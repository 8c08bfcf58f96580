// Whether a range may be read: the rows that it would read are estimated before, and what is too much is told a step that
// is not.
import { TailraceError } from '../../lib/errors.ts';
import { estimateRows } from '../../store/range/estimate.ts';
import type { RangeRequest, RangeResolution } from '../../store/range/range.ts';
import type { RangeReader } from '../../store/range/read.ts';
import { parseStep } from '../../store/range/step.ts';
import { stepsFrom } from './admission.ts';
import type { Division } from './parameters.ts';

/** A step is told only if it is well within: horizons and counts are others when it is asked for. */
const WELL_WITHIN = 0.8;
/** Ten years. */
const ZONE_SPAN_MAX_US = 3_653 * 86_400e6;

/** Divided into buckets. */
type BucketRequest = RangeRequest & {
  readonly resolution: Exclude<RangeResolution, { kind: 'raw' }>;
};

function isBucketed(request: RangeRequest): request is BucketRequest {
  return request.resolution.kind !== 'raw' && request.states === undefined;
}

/** Divided by another step; days stay those of their zone. */
function divisionBy(stepMs: number, before: Division): Division {
  if (before.kind !== 'calendar') return { kind: 'step', stepMs, originMs: 0 };
  const dayMs = 86_400_000;
  if (stepMs < dayMs) return { kind: 'step', stepMs, originMs: 0 };
  return { kind: 'calendar', unit: 'day', count: stepMs / dayMs, zone: before.zone, stepMs };
}

function lengthMs({ resolution, startUs, endUs }: BucketRequest): number {
  if (resolution.kind === 'step') return resolution.stepMs;
  const parts = resolution.kind === 'width' ? resolution.pixels : resolution.edgesUs.length;
  return (endUs - startUs) / 1_000 / Math.max(1, parts);
}

/**
 * Lets a range pass that is expected to read no more than the reader takes. `again` gives the request of the same question
 * by another division, or throws where that would not do. Raw points pass: they come in pages. States pass or do not: a
 * coarser step reads as many points of theirs.
 *
 * @throws TailraceError `too_costly`, with a `step` that would pass where there is one
 */
export async function admitCost(
  request: RangeRequest,
  division: Division,
  again: (division: Division) => RangeRequest,
  reader: Pick<RangeReader, 'rowsMax' | 'costFacts'>,
): Promise<void> {
  if (request.resolution.kind === 'raw' && request.states === undefined) return;
  const { rowsMax, costFacts } = reader;
  const facts = await costFacts(request);
  const rows = Math.ceil(estimateRows(request, facts));
  if (rows <= rowsMax) return;
  const fits = (stepMs: number): boolean => {
    try {
      const other = again(divisionBy(stepMs, division));
      return isBucketed(other) && estimateRows(other, facts) <= WELL_WITHIN * rowsMax;
    } catch (thrown) {
      if (thrown instanceof TailraceError) return false;
      throw thrown;
    }
  };
  const found = isBucketed(request)
    ? [...stepsFrom(lengthMs(request) + 1)].find(([, stepMs]) => fits(stepMs))
    : undefined;
  const details = { parameter: 'step', estimated_rows: rows, rows_max: rowsMax };
  throw new TailraceError(
    'too_costly',
    found === undefined
      ? `That would read some ${rows} rows, and ${rowsMax} are allowed: ask for a shorter range or fewer series.`
      : `That would read some ${rows} rows, and ${rowsMax} are allowed; a step of ${found[0]} is admitted.`,
    { details: found === undefined ? details : { ...details, step: found[0] } },
  );
}

/**
 * Gives what `make` makes. Where it refuses for too many buckets, the step that it tells is made one that is admitted by
 * its rows too.
 *
 * @throws whatever `make` throws
 */
export async function admittedStep<T>(
  division: Division,
  again: (division: Division) => RangeRequest,
  reader: Pick<RangeReader, 'rowsMax' | 'costFacts'>,
  spanUs: number,
  make: () => T,
): Promise<T> {
  try {
    return make();
  } catch (thrown) {
    if (!(thrown instanceof TailraceError) || typeof thrown.details.step !== 'string') throw thrown;
    // Edges of a zone over a long time are work of their own.
    if (division.kind === 'calendar' && spanUs > ZONE_SPAN_MAX_US) throw thrown;
    const other = divisionBy(parseStep(thrown.details.step).stepMs, division);
    // Refuses with a step of its own where this one is not enough.
    await admitCost(again(other), other, again, reader);
    throw thrown;
  }
}
