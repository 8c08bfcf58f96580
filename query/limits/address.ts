// Whose an address is: of IPv6 a /64, which is the least that a customer is given (RFC 6177), else one machine would be
// as many as it likes. An IPv4 address that came through an IPv6 socket is that IPv4 address.

const MAPPED = /^(?:0000:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/;
const HALF_GROUPS = 4;

/** The key of an address as the engine writes it: IPv6 in full, in small letters. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = MAPPED.exec(address);
  if (mapped !== null) {
    return mapped
      .slice(1)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.');
  }
  return `${address.split(':', HALF_GROUPS).join(':')}::/64`;
}
