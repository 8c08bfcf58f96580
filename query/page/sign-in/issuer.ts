// The issuer, by OpenID Connect: authorization code with PKCE, renewal by refresh token, sign-out. Nobody else knows the
// library.
import * as oauth from 'oauth4webapi';
import type { SignIn } from '../wire.ts';
import { isLoopback } from './loopback.ts';
import type { Pending } from './pending.ts';
import { lifetimeOf, renewalTime } from './renewal-time.ts';
import { refusalByIssuer, SignInError } from './words.ts';

/** What the issuer gave; times in ms since 1970 by this machine's clock. */
export interface Tokens {
  /** Who gave them, as the server names it. */
  readonly issuer: string;
  readonly access: string;
  /** Good once: what comes of it brings the next. */
  readonly refresh: string | undefined;
  /** ID token: who it is, for the menu and for signing out. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  /** Whom the issuer says it to be: a renewal is for nobody else. */
  readonly subject: string | undefined;
  readonly renewAtMs: number;
  readonly expiresAtMs: number;
}

/** What an answer is checked against. */
export type Proof = Omit<Pending & { kind: 'sign-in' }, 'kind' | 'returnTo'>;

export interface Issuer {
  /** As the server names it. */
  readonly name: string;
  readonly host: string;
  /** Where to go to sign in, and what the answer is checked against. @throws SignInError */
  question(redirectUri: string): Promise<{ url: string; proof: Proof }>;
  /** Makes tokens of the answer. @throws SignInError */
  tokensFor(answer: URLSearchParams, proof: Proof, redirectUri: string): Promise<Tokens>;
  /** @throws SignInError, final where the refresh token is no good any more */
  renew(tokens: Tokens): Promise<Tokens>;
  /** Takes the refresh token back; where to go to end the issuer's own session, if it has such a place. */
  farewell(tokens: Tokens, returnUri: string): Promise<{ url: string; state: string } | undefined>;
}

const WAIT_MS = 15_000;
/** Whoever signs out does not wait long for the issuer. */
const FAREWELL_WAIT_MS = 3_000;
/** ID tokens live for minutes, and clocks of machines in the field are off by minutes. */
const CLOCK_TOLERANCE_S = 300;
/** A public client: whatever a page kept secret, anybody could read. */
const NO_SECRET = oauth.None();

interface Peer {
  readonly signIn: SignIn;
  readonly url: URL;
  readonly client: oauth.Client;
  /** What is asked for beside the rest (RFC 8707). */
  readonly resource: Readonly<Record<string, string>>;
  /** What it says of itself, once it was asked. */
  server: oauth.AuthorizationServer | undefined;
}

/** Makes the issuer that the server named. */
export function createIssuer(signIn: SignIn): Issuer {
  const { resource } = signIn;
  const peer: Peer = {
    ...{ signIn, url: new URL(signIn.issuer), client: clientOf(signIn) },
    ...{ resource: resource === undefined ? {} : { resource }, server: undefined },
  };
  const { host } = peer.url;
  return {
    ...{ name: signIn.issuer, host },
    question: (redirectUri) => inWords(host, () => question(peer, redirectUri)),
    tokensFor: (answer, proof, redirectUri) =>
      inWords(host, () => tokensFor(peer, answer, proof, redirectUri)),
    renew: (tokens) => inWords(host, () => renew(peer, tokens)),
    farewell: (tokens, returnUri) => inWords(host, () => farewell(peer, tokens, returnUri)),
  };
}

function clientOf(signIn: SignIn): oauth.Client {
  return { client_id: signIn.client_id, [oauth.clockTolerance]: CLOCK_TOLERANCE_S };
}

/** Without TLS the library asks only what never leaves this machine. */
function options({ url }: Peer, waitMs = WAIT_MS) {
  return {
    signal: AbortSignal.timeout(waitMs),
    [oauth.allowInsecureRequests]: url.protocol === 'http:' && isLoopback(url.hostname),
  };
}

async function discover(peer: Peer): Promise<oauth.AuthorizationServer> {
  if (peer.server !== undefined) return peer.server;
  const response = await oauth.discoveryRequest(peer.url, options(peer));
  peer.server = await oauth.processDiscoveryResponse(peer.url, response);
  return peer.server;
}

async function question(peer: Peer, redirectUri: string): Promise<{ url: string; proof: Proof }> {
  const { signIn, url, client, resource } = peer;
  const { authorization_endpoint: endpoint } = await discover(peer);
  if (endpoint === undefined) {
    throw new SignInError(`${url.host} has no place to sign in at.`, true);
  }
  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const target = withParameters(endpoint, {
    ...{ response_type: 'code', client_id: client.client_id, redirect_uri: redirectUri },
    ...{ scope: signIn.scope, ...resource, state, nonce },
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  return { url: target, proof: { issuer: signIn.issuer, state, nonce, verifier } };
}

async function tokensFor(
  peer: Peer,
  answer: URLSearchParams,
  proof: Proof,
  redirectUri: string,
): Promise<Tokens> {
  const { client, resource } = peer;
  const server = await discover(peer);
  for (const sender of [proof.issuer, answer.get('iss')]) checkSender(server, sender);
  const checked = oauth.validateAuthResponse(server, client, answer, proof.state);
  const response = await oauth.authorizationCodeGrantRequest(
    ...([server, client, NO_SECRET, checked, redirectUri, proof.verifier] as const),
    { ...options(peer), additionalParameters: resource },
  );
  const expected = { expectedNonce: proof.nonce, requireIdToken: true };
  return tokensOf(
    peer.signIn.issuer,
    await oauth.processAuthorizationCodeResponse(server, client, response, expected),
  );
}

async function renew(peer: Peer, tokens: Tokens): Promise<Tokens> {
  const { client, resource } = peer;
  const server = await discover(peer);
  const response = await oauth.refreshTokenGrantRequest(
    ...([server, client, NO_SECRET, tokens.refresh ?? ''] as const),
    { ...options(peer), additionalParameters: resource },
  );
  const answer = await oauth.processRefreshTokenResponse(server, client, response);
  checkSubject(peer.url.host, tokens.subject, oauth.getValidatedIdTokenClaims(answer)?.sub);
  return tokensOf(peer.signIn.issuer, answer, tokens);
}

async function farewell(
  peer: Peer,
  tokens: Tokens,
  returnUri: string,
): Promise<{ url: string; state: string } | undefined> {
  const { client } = peer;
  const server = await discover(peer);
  if (tokens.refresh !== undefined && server.revocation_endpoint !== undefined) {
    const asked = [server, client, NO_SECRET, tokens.refresh] as const;
    await oauth.revocationRequest(...asked, options(peer, FAREWELL_WAIT_MS)).catch(() => undefined);
  }
  if (server.end_session_endpoint === undefined) return undefined;
  const state = oauth.generateRandomState();
  const url = withParameters(server.end_session_endpoint, {
    ...{ client_id: client.client_id, post_logout_redirect_uri: returnUri, state },
    ...(tokens.id === undefined ? {} : { id_token_hint: tokens.id }),
  });
  return { url, state };
}

function withParameters(endpoint: string, parameters: Readonly<Record<string, string>>): string {
  const target = new URL(endpoint);
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
  return target.href;
}

/** RFC 9207: an answer that names another issuer was got by mixing up two of them. */
function checkSender(server: oauth.AuthorizationServer, sender: string | null): void {
  if (sender === null || sender === server.issuer) return;
  throw new SignInError(
    `The answer comes from another issuer than ${new URL(server.issuer).host}. Nothing of it was used.`,
    true,
  );
}

/** OpenID Connect 12.2: an ID token that comes with a renewal has the subject of the first. */
function checkSubject(host: string, before: string | undefined, renewed: string | undefined): void {
  if (before === undefined || renewed === undefined || renewed === before) return;
  throw new SignInError(
    `${host} renewed the session for somebody else. Nothing of it was used.`,
    true,
  );
}

function tokensOf(issuer: string, answer: oauth.TokenEndpointResponse, before?: Tokens): Tokens {
  const claims = oauth.getValidatedIdTokenClaims(answer);
  const names = [claims?.name, claims?.preferred_username, claims?.email, claims?.sub];
  const nowMs = Date.now();
  const lifetimeMs = lifetimeOf(answer.expires_in, answer.access_token, nowMs);
  return {
    issuer,
    access: answer.access_token,
    refresh: answer.refresh_token ?? before?.refresh,
    id: answer.id_token ?? before?.id,
    name: names.find((name) => typeof name === 'string' && name !== '')?.toString() ?? before?.name,
    subject: claims?.sub ?? before?.subject,
    renewAtMs: renewalTime(nowMs, lifetimeMs),
    expiresAtMs: nowMs + lifetimeMs,
  };
}

/** Everything that fails becomes a sentence. */
async function inWords<T>(host: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw explain(host, thrown);
  }
}

function explain(host: string, thrown: unknown): SignInError {
  if (thrown instanceof SignInError) return thrown;
  if (thrown instanceof oauth.AuthorizationResponseError) {
    return refusalByIssuer(host, thrown.error, thrown.error_description);
  }
  if (thrown instanceof oauth.ResponseBodyError) {
    return refusalByIssuer(host, thrown.error, thrown.error_description);
  }
  if (thrown instanceof oauth.OperationProcessingError) {
    return new SignInError(
      `${host} answered what cannot be accepted: ${thrown.message}.`,
      true,
      thrown,
    );
  }
  return new SignInError(`${host} cannot be reached.`, false, thrown);
}
