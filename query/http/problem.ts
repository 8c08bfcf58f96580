// Errors as clients see them: application/problem+json (RFC 9457) with a stable code.
import { TailraceError } from '../../lib/errors.ts';
import { type Reply, reply } from './reply.ts';

/** Status and title by code. A code that stands not here is our own fault, and its text stays in the log. */
const PROBLEMS: Readonly<Record<string, readonly [status: number, title: string]>> = {
  missing_parameter: [400, 'A parameter is missing'],
  bad_parameter: [400, 'A parameter cannot be used as it is'],
  conflicting_parameters: [400, 'Parameters contradict each other'],
  not_supported_yet: [400, 'This is described and not built yet'],
  bad_request: [400, 'The request cannot be read'],
  token_missing: [401, 'A token is needed'],
  token_invalid: [401, 'The token is not valid'],
  token_expired: [401, 'The token is over'],
  token_revoked: [401, 'The token was revoked'],
  ticket_invalid: [401, 'The ticket is not valid'],
  forbidden: [403, 'The policy does not allow this'],
  loopback_only: [403, 'Open on loopback only'],
  not_found: [404, 'Nothing is here'],
  unknown_series: [404, 'No such series'],
  method_not_allowed: [405, 'Another method is needed'],
  not_acceptable: [406, 'No format that was asked for can be given'],
  request_timeout: [408, 'The request did not come in time'],
  body_too_large: [413, 'The body is too large'],
  unsupported_encoding: [415, 'The body is encoded in a way that is not known here'],
  uri_too_long: [414, 'The URL is too long'],
  too_costly: [422, 'The request is too costly'],
  upgrade_required: [426, 'A WebSocket or an event stream is needed'],
  // Nobody is told: the status is for the log and the metrics.
  client_gone: [499, 'The client went away'],
  too_many_requests: [429, 'Too much was asked for'],
  too_many_connections: [429, 'Too many connections'],
  headers_too_large: [431, 'The headers are too large'],
  keys_unavailable: [503, 'Tokens cannot be verified at the moment'],
  tickets_unavailable: [503, 'Tickets of other servers cannot be looked up at the moment'],
  overloaded: [503, 'Too busy at the moment'],
  broker_unavailable: [503, 'The broker does not take it at the moment'],
  database_unavailable: [503, 'The database cannot be reached'],
  stopping: [503, 'Shutting down'],
  timeout: [503, 'It took too long'],
};

const RETRY_AFTER_S = 1;
/** Carries the id of the decision that an answer follows; GET /v1/decisions finds its record by it. */
export const DECISION_HEADER = 'Tailrace-Decision';

/** True where the error is the caller's to see; everything else is logged and answered as `internal_error`. */
export function isKnownProblem(thrown: unknown): thrown is TailraceError {
  return thrown instanceof TailraceError && thrown.code in PROBLEMS;
}

/** Members of `details` that become headers instead of members of the body. */
function headersFor(status: number, code: string, details: Readonly<Record<string, unknown>>) {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (status === 401) {
    const error =
      code === 'token_missing' ? '' : `, error="invalid_token", error_description="${code}"`;
    headers['WWW-Authenticate'] = `Bearer realm="tailrace"${error}`;
  }
  if (status === 429 || status === 503) {
    headers['Retry-After'] = String(details.retry_after_s ?? RETRY_AFTER_S);
  }
  if (status === 405 && typeof details.allow === 'string') headers.Allow = details.allow;
  if (status === 426) headers.Upgrade = 'websocket';
  if (typeof details.decision_id === 'string') headers[DECISION_HEADER] = details.decision_id;
  return headers;
}

/**
 * The answer to an error. Nothing of an unexpected one is shown but that it happened. With the id of a decision that
 * came before, it stands in the answer: whoever wonders about a 404 can be told what was decided.
 */
export function problemReply(thrown: unknown, decisionId?: string): Reply {
  const decided = decisionId === undefined ? {} : { decision_id: decisionId };
  if (!isKnownProblem(thrown)) {
    return problem(500, 'internal_error', 'Something went wrong here', undefined, decided);
  }
  const [status, title] = PROBLEMS[thrown.code] ?? [500, ''];
  return problem(status, thrown.code, title, thrown.message, { ...thrown.details, ...decided });
}

/** An answer of the form that every error has, for what is wrong with a body: its codes are not this server's own. */
export function problem(
  status: number,
  code: string,
  title: string,
  detail = 'The request failed on the server; its log says why.',
  details: Readonly<Record<string, unknown>> = {},
): Reply {
  const { allow: _allow, ...members } = details;
  const body = { type: `urn:tailrace:problem:${code}`, title, status, code, detail, ...members };
  return reply(JSON.stringify(body), { status, headers: headersFor(status, code, details) });
}
