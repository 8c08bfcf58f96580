// A bundle from an HTTP service, as OPA has it: ETags, long polling where the service offers it, a bearer token.
// https://www.openpolicyagent.org/docs/latest/management-bundles/#bundle-service-api
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { PACKED_BYTES_MAX } from './bundle.ts';
import type { BundleSource, Finding, LookOptions } from './source.ts';

/** What a service that holds requests back until there is something new calls its answers. */
const LONG_POLL_TYPE = 'application/vnd.openpolicyagent.bundles';
const WAIT_MAX_S = 30;
/** An answer to a request that was to wait, and that came sooner, did not wait. */
const WAITED_MS = 800;
const ANSWER_MAX_MS = 15_000;
const POLL_MS = { least: 1_000, most: 2_000 };
const BACKOFF_MS = { least: 250, most: 4_000 };
const REDIRECTS_MAX = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Makes the source of one URL. `etag` is of the bundle that is here already. */
export function createHttpSource(options: {
  readonly url: string;
  readonly token?: string | undefined;
  readonly etag?: string | undefined;
  /** How long a bundle counts without being confirmed: a third of that is the longest to wait for an answer. */
  readonly ageMaxMs?: number | undefined;
}): BundleSource {
  const { ageMaxMs = Number.POSITIVE_INFINITY } = options;
  const waitS = Math.max(1, Math.min(WAIT_MAX_S, Math.floor(ageMaxMs / 3_000)));
  const url = new URL(options.url);
  const authorization = authorizationOf(url, options.token);
  url.username = '';
  url.password = '';
  const location = `${url.origin}${url.pathname}`;
  let { etag } = options;
  let longPolls: 'yes' | 'no' | 'unknown' = 'unknown';
  /** The last answer was a bundle and had not been waited for. Some send one each time, whatever they were asked. */
  let sentAtOnce = false;

  async function request(
    { known, wait }: { known: string | undefined; wait: boolean },
    signal: AbortSignal,
  ): Promise<Response> {
    const headers = new Headers({
      accept: `${LONG_POLL_TYPE}, application/gzip, application/octet-stream`,
      // Some services answer a file that is compressed as one that they have compressed for the way.
      'accept-encoding': 'identity',
      prefer: wait ? `modes=snapshot;wait=${waitS}` : 'modes=snapshot',
    });
    if (known !== undefined) headers.set('if-none-match', known);
    let at = url;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      if (at.origin === url.origin && authorization !== undefined) {
        headers.set('authorization', authorization);
      } else headers.delete('authorization');
      const response = await fetch(at, { headers, signal, redirect: 'manual' });
      if (!REDIRECTS.has(response.status)) return response;
      await response.body?.cancel();
      at = redirectTarget(at, response);
    }
    throw new Error(`it redirects more than ${REDIRECTS_MAX} times`);
  }

  async function ask({ mayWait, anew, signal }: LookOptions): Promise<Finding> {
    const known = anew ? undefined : etag;
    // A service can only tell of what is new to who says what is known.
    const wait = mayWait && longPolls !== 'no' && known !== undefined;
    const startMs = performance.now();
    const timeout = AbortSignal.timeout(ANSWER_MAX_MS + (wait ? waitS * 1_000 : 0));
    const response = await request({ known, wait }, AbortSignal.any([signal, timeout]));
    const waited = performance.now() - startMs >= WAITED_MS;
    if (response.status === 304 && known !== undefined) {
      if (wait) longPolls = waited ? 'yes' : 'no';
      sentAtOnce = false;
      return { kind: 'unchanged' };
    }
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answers ${response.status}`);
    }
    const packed = await readBody(response);
    etag = response.headers.get('etag') ?? undefined;
    const saysSo = response.headers.get('content-type') === LONG_POLL_TYPE;
    longPolls = saysSo && etag !== undefined ? 'yes' : 'no';
    sentAtOnce = !waited;
    return { kind: 'found', packed, etag };
  }

  return {
    location,
    async look(options) {
      try {
        return await ask(options);
      } catch (thrown) {
        if (thrown instanceof TailraceError) throw thrown;
        throw unreachable(location, thrown);
      }
    },
    pauseMs(failures) {
      if (failures > 0) {
        const most = Math.min(BACKOFF_MS.most, BACKOFF_MS.least * 2 ** Math.min(failures, 10));
        return between(most / 2, most);
      }
      return longPolls === 'yes' && !sentAtOnce ? 0 : between(POLL_MS.least, POLL_MS.most);
    },
    watch: () => () => undefined,
  };
}

function authorizationOf(url: URL, token: string | undefined): string | undefined {
  if (token !== undefined) return `Bearer ${token}`;
  if (url.username === '') return undefined;
  const pair = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function redirectTarget(from: URL, response: Response): URL {
  const target = new URL(response.headers.get('location') ?? '', from);
  const isSecure = target.protocol === 'https:' || from.protocol === 'http:';
  if (!/^https?:$/.test(target.protocol) || !isSecure) {
    throw new Error(`it redirects to ${target.protocol}//, which is not followed`);
  }
  return target;
}

/** Reads no more than may be read, whatever the service says of its length. */
async function readBody(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > PACKED_BYTES_MAX) {
      throw new TailraceError(
        'policy_bundle_invalid',
        `The policy bundle cannot be used: it is larger than ${PACKED_BYTES_MAX} bytes.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** The causes of fetch's `fetch failed` say what it was. */
function unreachable(location: string, thrown: unknown): TailraceError {
  const inner = thrown instanceof Error ? thrown.cause : undefined;
  const said = inner instanceof Error && inner.message !== '' ? inner.message : messageOf(thrown);
  return new TailraceError(
    'policy_source_unreachable',
    `The bundle service at ${location} gives no bundle (${said}).`,
    { cause: thrown },
  );
}

/** Processes that were started together should not ask together. */
function between(least: number, most: number): number {
  return least + Math.random() * (most - least);
}
