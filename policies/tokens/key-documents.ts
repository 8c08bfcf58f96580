// Fetches the documents that keys are in. Addresses come from the configuration, never from a token.
import { open } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../../lib/errors.ts';
import { readBody } from '../../lib/read-body.ts';

/** Where the keys of an issuer are. */
export type KeyLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string }
  /** By OpenID Connect Discovery 1.0: the issuer's own document says where its keys are. */
  | { readonly kind: 'discovery'; readonly issuer: string };

export interface KeyDocument {
  readonly text: string;
  /** How long its server says that it stays as it is. */
  readonly maxAgeMs?: number | undefined;
}

const BYTES_MAX = 256 * 1024;
const TIMEOUT_MS = 5_000;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: z.url() });

/** Gives the document with the keys. @throws Error saying what is wrong with it, for the log. */
export async function readKeyDocument(location: KeyLocation): Promise<KeyDocument> {
  switch (location.kind) {
    case 'file':
      return { text: await readBounded(location.path) };
    case 'url':
      return fetchDocument(location.url);
    case 'discovery':
      return fetchDocument(await discoverKeys(location.issuer));
  }
}

/** What the location is called in the log. */
export function nameOf(location: KeyLocation): string {
  if (location.kind === 'file') return location.path;
  const { origin, pathname } = new URL(
    location.kind === 'url' ? location.url : discoveryUrl(location.issuer),
  );
  return origin + pathname;
}

function discoveryUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/** OpenID Connect Discovery 1.0 clause 4.3: the document has to be of the very issuer that was asked. */
async function discoverKeys(issuer: string): Promise<string> {
  const { text } = await fetchDocument(discoveryUrl(issuer));
  const found = discoverySchema.safeParse(JSON.parse(text));
  if (!found.success) throw new Error('its discovery document has no issuer with a jwks_uri');
  const { issuer: said, jwks_uri: keysUrl } = found.data;
  if (said !== issuer) throw new Error('its discovery document is of another issuer');
  const { protocol } = new URL(keysUrl);
  if (protocol === 'https:' || (protocol === 'http:' && issuer.startsWith('http:'))) return keysUrl;
  throw new Error(`its jwks_uri begins with ${protocol}`);
}

async function fetchDocument(url: string): Promise<KeyDocument> {
  const response = await fetch(url, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((thrown: unknown) => {
    throw new Error(reasonOf(thrown));
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`it answered ${response.status}`);
  }
  const maxAge = /(?:^|[ ,])max-age=(\d{1,9})/i.exec(response.headers.get('cache-control') ?? '');
  const text = (await readBody(response, BYTES_MAX)).toString('utf8');
  return { text, maxAgeMs: maxAge === null ? undefined : Number(maxAge[1]) * 1_000 };
}

/** fetch says no more than "fetch failed"; what failed is its cause. */
function reasonOf(thrown: unknown): string {
  if (!(thrown instanceof Error) || thrown.cause === undefined) return messageOf(thrown);
  return `${thrown.message}: ${messageOf(thrown.cause)}`;
}

async function readBounded(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > BYTES_MAX) throw new Error(`it is larger than ${BYTES_MAX} bytes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
