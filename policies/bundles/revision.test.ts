// Which revision is the newer one, and where nobody can tell.
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { compareRevisions, type RevisionOrder } from './revision.ts';

test.each<[string, string, RevisionOrder]>([
  ['10', '9', 'newer'],
  ['9', '10', 'older'],
  ['007', '7', 'same'],
  ['9007199254740993', '9007199254740992', 'newer'],
  ['2026-01-01T00:00:00Z', '2025-12-31T23:59:59.999999999Z', 'newer'],
  ['2026-01-01T00:00:00+01:00', '2026-01-01T00:00:00Z', 'older'],
  ['2026-01-01T01:00:00+01:00', '2026-01-01T00:00:00Z', 'same'],
  ['c0ffee', 'c0ffee', 'same'],
  ['c0ffee', 'decaf', 'unordered'],
  ['1.2', '1.1', 'unordered'],
  ['7', '2026-01-01T00:00:00Z', 'unordered'],
  ['-1', '1', 'unordered'],
])('%s is to %s %s', (revision, other, order) => {
  expect(compareRevisions(revision, other)).toBe(order);
});

it('turns round when the two are swapped', () => {
  const turned: Record<RevisionOrder, RevisionOrder> = {
    ...{ newer: 'older', older: 'newer', same: 'same', unordered: 'unordered' },
  };
  const revision = fc.oneof(fc.nat().map(String), fc.string({ minLength: 1 }));
  fc.assert(
    fc.property(revision, revision, (a, b) => {
      expect(compareRevisions(b, a)).toBe(turned[compareRevisions(a, b)]);
    }),
  );
});
