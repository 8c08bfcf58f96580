// W3C trace context: the caller's trace goes on, or a new one begins.
import { randomBytes } from 'node:crypto';

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** The `traceparent` of our own span: within the caller's trace where it sent a valid one. */
export function continueTrace(traceparent: string | undefined): string {
  const found = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  const random = randomBytes(24).toString('hex');
  return `00-${found?.[1] ?? random.slice(16)}-${random.slice(0, 16)}-${found?.[2] ?? '00'}`;
}
