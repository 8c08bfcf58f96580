// What went wrong while signing in, as a sentence for the person in front of the page.

/** Signing in or renewing failed. `isFinal`: trying the same again would not help. */
export class SignInError extends Error {
  readonly isFinal: boolean;

  constructor(message: string, isFinal: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'SignInError';
    this.isFinal = isFinal;
  }
}

/** Codes of OAuth 2.0 (RFC 6749 4.1.2.1, 5.2), OpenID Connect (3.1.2.6) and resource indicators (RFC 8707). */
const SENTENCES: Readonly<Record<string, (host: string) => string>> = {
  access_denied: (host) => `${host} did not let you in: access was denied.`,
  account_selection_required: (host) => `${host} wants you to choose an account.`,
  consent_required: (host) => `${host} wants your consent first.`,
  interaction_required: (host) => `${host} wants to ask you something first.`,
  login_required: (host) => `${host} wants you to sign in again.`,
  invalid_grant: (host) => `Your session at ${host} is over.`,
  invalid_client: (host) => `${host} does not know this page: look at OIDC_CLIENT_ID.`,
  unauthorized_client: (host) =>
    `${host} does not let this page sign in: it has to be a public client.`,
  invalid_request: (host) =>
    `${host} does not take the request: is this page's address registered there?`,
  invalid_scope: (host) =>
    `${host} does not give the scope that was asked for: look at OIDC_SCOPE.`,
  invalid_target: (host) => `${host} does not know the resource: look at OIDC_RESOURCE.`,
};

const MAY_PASS = new Set(['server_error', 'temporarily_unavailable', 'slow_down']);
const DESCRIPTION_MOST = 200;

/** A refusal that the issuer gave a code for, and perhaps words of its own. */
export function refusalByIssuer(host: string, code: string, description?: string): SignInError {
  if (MAY_PASS.has(code)) {
    return new SignInError(`${host} cannot sign anybody in at the moment.`, false);
  }
  const sentence = Object.hasOwn(SENTENCES, code) ? SENTENCES[code]?.(host) : undefined;
  const said = sentence ?? `${host} refused: ${code}.`;
  const own = description?.trim().slice(0, DESCRIPTION_MOST);
  return new SignInError(own ? `${said} It says: ${own}` : said, true);
}
