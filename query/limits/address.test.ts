import { expect, it } from 'vitest';
import { addressKey } from './address.ts';

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['0000:0000:0000:0000:0000:ffff:c000:0207', '192.0.2.7'],
  ['2001:0db8:0001:0002:aaaa:bbbb:cccc:dddd', '2001:0db8:0001:0002::/64'],
  ['2001:0db8:0001:0002:0000:0000:0000:0001', '2001:0db8:0001:0002::/64'],
  ['0000:0000:0000:0000:0000:0000:0000:0001', '0000:0000:0000:0000::/64'],
])('the address %s is limited as %s', (address, key) => {
  expect(addressKey(address)).toBe(key);
});
