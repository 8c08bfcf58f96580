// Asking for what the screen shows: one question at a time, a newer one ends the older; a tail goes on from its answer.
import { type Api, ApiError } from './api.ts';
import type { FollowState } from './follow-state.ts';
import { createFollowing, type Following } from './following.ts';
import type { Lines } from './lines.ts';
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
  following(state: FollowState): void;
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
  readonly following: Following;
}

/** Makes a source of data for `lines`. */
export function createData(
  { api, token, lines }: { api: Api; token: () => string | undefined; lines: Lines },
  listener: DataListener,
): Data {
  let asking: AbortController | undefined;
  let followed = '';
  let gaps = 0;

  const following = createFollowing(token, {
    state(state) {
      // Whoever was refused has to be followed anew, with another token.
      if (state.kind === 'refused') followed = '';
      listener.following(state);
    },
    points(points) {
      if (lines.take(points) === 'stale') listener.stale();
      listener.changed();
    },
    buckets(buckets) {
      lines.takeBuckets(buckets);
      listener.changed();
    },
    gap() {
      gaps += 1;
      following.missing(true);
      listener.stale();
    },
    tokenEnds: () => listener.tokenEnds(),
  });

  function goOn(question: Question, answer: RangeAnswer | undefined): void {
    const key = keyOf(question);
    if (answer === undefined || key === '') {
      end();
    } else if (key !== followed) {
      followed = key;
      const ids = question.series.map(({ id }) => id);
      following.follow(ids, answer.cursor);
    }
  }

  function end(): void {
    followed = '';
    following.missing(false);
    following.stop();
  }

  return {
    following,
    rest() {
      asking?.abort();
      end();
    },
    async ask(question) {
      asking?.abort();
      const mine = new AbortController();
      asking = mine;
      listener.loading(true);
      const askedMs = performance.now();
      const gapsBefore = gaps;
      if (question.live && keyOf(question) !== followed) following.missing(true);
      try {
        const answers = await askAll(api, question, mine.signal);
        if (asking !== mine) return;
        lines.show(question.series, answers, question.live);
        listener.answered(answers[0], performance.now() - askedMs);
        goOn(question, answers[0]);
        // What was missed while it was read it may not have.
        if (gaps === gapsBefore) following.missing(false);
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

/** What a tail of a question follows; empty where it follows nothing. */
function keyOf({ series, live }: Question): string {
  return live ? series.map(({ id }) => id).join() : '';
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
