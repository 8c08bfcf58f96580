// Asking for what the screen shows: one question at a time, a newer one ends the older; the tail goes on from its answer.
import { type Api, ApiError } from './api.ts';
import type { Lines } from './lines.ts';
import { createTail, type Tail } from './tail.ts';
import type { TailState } from './tail-state.ts';
import type { RangeAnswer, SeriesInfo } from './wire.ts';

interface Question {
  readonly series: readonly SeriesInfo[];
  readonly startMs: number;
  readonly endMs: number;
  /** Pixels of the plot. */
  readonly width: number;
  /** Whether the tail goes on from the answer. */
  readonly live: boolean;
}

export interface DataListener {
  /** Something to draw has changed. */
  changed(): void;
  loading(busy: boolean): void;
  tail(state: TailState): void;
  /** The newest answer, or why there is none. */
  answered(answer: RangeAnswer | undefined, tookMs: number): void;
  failed(error: ApiError): void;
  /** The answer on the screen is no longer all there is: ask again. */
  stale(): void;
  /** The token of the tail ends soon. */
  tokenEnds(): void;
}

export interface Data {
  /** Asks, and puts the answer into the lines. Never rejects: the listener is told. */
  ask(question: Question): Promise<void>;
  /** Asks and follows nothing until the next question. */
  rest(): void;
  readonly tail: Tail;
}

/** Makes a source of data for `lines`. */
export function createData(api: Api, lines: Lines, listener: DataListener): Data {
  let asking: AbortController | undefined;
  let followed = '';

  const tail = createTail(api, {
    state(state) {
      // Whoever was refused has to be followed anew, with another token.
      if (state.kind === 'refused') followed = '';
      listener.tail(state);
    },
    points(points) {
      if (lines.take(points) === 'stale') listener.stale();
      listener.changed();
    },
    buckets(buckets) {
      lines.takeBuckets(buckets);
      listener.changed();
    },
    gap: () => listener.stale(),
    tokenEnds: () => listener.tokenEnds(),
  });

  function goOn(question: Question, answer: RangeAnswer | undefined): void {
    const ids = question.series.map(({ id }) => id);
    const wanted = question.live && answer !== undefined;
    const key = wanted ? ids.join() : '';
    if (key === followed) return;
    followed = key;
    if (wanted) tail.follow(ids, answer.cursor);
    else tail.stop();
  }

  return {
    tail,
    rest() {
      asking?.abort();
      followed = '';
      tail.stop();
    },
    async ask(question) {
      asking?.abort();
      const mine = new AbortController();
      asking = mine;
      listener.loading(true);
      const askedMs = performance.now();
      try {
        const answers = await askAll(api, question, mine.signal);
        if (asking !== mine) return;
        lines.show(question.series, answers, question.live);
        listener.answered(answers[0], performance.now() - askedMs);
        goOn(question, answers[0]);
        listener.changed();
      } catch (cause) {
        if (mine.signal.aborted) return;
        listener.failed(
          cause instanceof ApiError ? cause : new ApiError(0, 'failed', String(cause)),
        );
      } finally {
        if (asking === mine) listener.loading(false);
      }
    },
  };
}

/**
 * Numbers at the plot's width, states as intervals. A tail goes on from the first answer's cursor, so the second one
 * is asked for after it: nothing is missed between.
 */
async function askAll(api: Api, question: Question, signal: AbortSignal): Promise<RangeAnswer[]> {
  const { startMs, endMs, width, series, live } = question;
  const idsOf = (kind: SeriesInfo['kind']): number[] =>
    series.filter((one) => one.kind === kind).map(({ id }) => id);
  const [numbers, states] = [idsOf('number'), idsOf('state')];
  const first =
    numbers.length > 0 ? [api.range({ ids: numbers, startMs, endMs, width }, signal)] : [];
  if (live) await Promise.all(first);
  const second =
    states.length > 0
      ? [api.range({ ids: states, startMs, endMs, width: 'intervals' }, signal)]
      : [];
  return Promise.all([...first, ...second]);
}
