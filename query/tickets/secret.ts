// What is made of a ticket, so that whoever reads Redis learns neither a ticket nor a token: the ticket itself is the key,
// and never stands there.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

const BYTES = 24;
const FORM = /^[A-Za-z0-9_-]{32}$/;
const CIPHER = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Makes a ticket that nobody can guess. */
export function newTicket(): string {
  return randomBytes(BYTES).toString('base64url');
}

/** Whether a text could be a ticket. */
export function isTicket(text: string): boolean {
  return FORM.test(text);
}

/** HMAC as a function whose values for two purposes have nothing to do with one another (RFC 5869 does the same). */
function derive(ticket: string, purpose: string): Buffer {
  return createHmac('sha256', ticket).update(purpose).digest();
}

/** What a ticket is kept under. */
export function nameOf(ticket: string): string {
  return derive(ticket, 'name').toString('base64url');
}

/** What a ticket was bound to, as it is kept. */
export function bindingOf(ticket: string, boundTo: string): string {
  return derive(ticket, `stream ${boundTo}`).toString('base64url');
}

/** Encrypts a token, so that the ticket alone opens it. */
export function seal(ticket: string, token: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, derive(ticket, 'key'), iv);
  const parts = [iv, cipher.update(token, 'utf8'), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(parts).toString('base64url');
}

/** The token; undefined where this is not what was sealed. */
export function unseal(ticket: string, sealed: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv(CIPHER, derive(ticket, 'key'), bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
