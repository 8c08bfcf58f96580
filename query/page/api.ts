// Requests to the server this page came from. Every refusal becomes an `ApiError` with the server's own words.
import type {
  DemoSession,
  Latest,
  Me,
  RangeAnswer,
  SeriesInfo,
  SeriesPage,
  SignIn,
} from './wire.ts';

/** A request that failed. `status` 0: the server could not be reached. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

export interface Api {
  series(signal?: AbortSignal): Promise<{ series: SeriesInfo[]; complete: boolean }>;
  range(request: RangeQuery, signal?: AbortSignal): Promise<RangeAnswer>;
  latest(ids: readonly number[]): Promise<Latest>;
  me(): Promise<Me>;
}

interface RangeQuery {
  readonly ids: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
  /** Pixels of the plot; `intervals` asks how long states held. */
  readonly width: number | 'intervals';
}

const SERIES_PAGE = 1_000;
const SERIES_PAGES_MAX = 20;
const ANSWER_WAIT_MS = 30_000;

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
}

/** Makes the api of this page's server. `token` is asked for at each request. */
export function createApi(token: () => string | undefined): Api {
  async function ask<T>(path: string, options: RequestInit = {}): Promise<T> {
    const bearer = token();
    const headers: Record<string, string> = { accept: 'application/json' };
    if (bearer !== undefined) headers.authorization = `Bearer ${bearer}`;
    const signals = [AbortSignal.timeout(ANSWER_WAIT_MS)];
    if (options.signal) signals.push(options.signal);
    let answer: Response;
    try {
      answer = await fetch(path, { ...options, headers, signal: AbortSignal.any(signals) });
    } catch (cause) {
      if (options.signal?.aborted) throw cause;
      throw new ApiError(0, 'offline', 'The server cannot be reached.');
    }
    // Refused for a token that was renewed meanwhile: the question stands.
    if (answer.status === 401 && token() !== undefined && token() !== bearer) {
      return ask(path, options);
    }
    if (!answer.ok) throw await refusal(answer);
    return (await answer.json()) as T;
  }

  return {
    async series(signal) {
      const all: SeriesInfo[] = [];
      let next: string | undefined;
      for (let page = 0; page < SERIES_PAGES_MAX; page++) {
        const query = new URLSearchParams({ limit: String(SERIES_PAGE) });
        if (next !== undefined) query.set('page', next);
        const answer = await ask<SeriesPage>(`/v1/series?${query}`, signal ? { signal } : {});
        all.push(...answer.series.filter((series) => series.index === 'time'));
        next = answer.next;
        if (next === undefined) return { series: all, complete: true };
      }
      return { series: all, complete: false };
    },
    range({ ids, startMs, endMs, width }, signal) {
      const query = new URLSearchParams(ids.map((id): [string, string] => ['series', String(id)]));
      query.set('start', new Date(Math.floor(startMs)).toISOString());
      query.set('end', new Date(Math.ceil(endMs)).toISOString());
      if (width === 'intervals') query.set('agg', 'intervals');
      else query.set('width', String(width));
      return ask<RangeAnswer>(`/v1/range?${query}`, signal ? { signal } : {});
    },
    latest(ids) {
      const query = new URLSearchParams(ids.map((id): [string, string] => ['series', String(id)]));
      return ask<Latest>(`/v1/latest?${query}`);
    },
    me: () => ask<Me>('/v1/me'),
  };
}

async function refusal(answer: Response): Promise<ApiError> {
  let problem: Problem = {};
  try {
    problem = (await answer.json()) as Problem;
  } catch {
    // Not every proxy speaks problem+json; the status has to do.
  }
  const words = problem.detail ?? problem.title ?? `The server answered ${answer.status}.`;
  return new ApiError(answer.status, problem.code ?? `http_${answer.status}`, words);
}

/** The demo's own sign-in; undefined where this server is no demo. */
export const demoSession = (): Promise<DemoSession | undefined> => findOut('/demo/session');

/** Where one signs in; undefined where only tokens will do. */
export const signInFacts = (): Promise<SignIn | undefined> => findOut('/v1/sign-in');

/** What a server may have and need not. */
async function findOut<T>(path: string): Promise<T | undefined> {
  try {
    const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_WAIT_MS) });
    return answer.ok ? ((await answer.json()) as T) : undefined;
  } catch {
    return undefined;
  }
}
