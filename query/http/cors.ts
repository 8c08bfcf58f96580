// Which pages of other origins may read answers: those listed, exactly as they are written.
import type { Request } from './request.ts';

const ALLOWED_HEADERS = 'authorization, content-type, if-none-match, last-event-id, traceparent';
const EXPOSED_HEADERS = 'ETag, Link, Retry-After, Tailrace-Decision, traceparent, WWW-Authenticate';
const PREFLIGHT_AGE_S = '600';

/** True for a browser's question whether a request from another origin would be allowed. */
function isPreflight(request: Request): boolean {
  return (
    request.method === 'OPTIONS' &&
    request.headers.has('origin') &&
    request.headers.has('access-control-request-method')
  );
}

/** Headers for an answer to a page of an allowed origin; none for any other. */
export function corsHeaders(
  request: Request,
  origins: ReadonlySet<string>,
  methods: string,
): Record<string, string> {
  const origin = request.headers.get('origin');
  if (origin === undefined || !origins.has(origin)) return {};
  const headers = {
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Expose-Headers': EXPOSED_HEADERS,
  };
  if (!isPreflight(request)) return headers;
  return {
    ...headers,
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': ALLOWED_HEADERS,
    'Access-Control-Max-Age': PREFLIGHT_AGE_S,
  };
}
