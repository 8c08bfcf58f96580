import { expect, test } from 'vitest';
import { embeddedPaths } from './address.ts';
import { embeddedUrl } from './engine.ts';

test('the socket stands in the data directory, and the URL leads there', () => {
  expect(embeddedPaths('/srv/tailrace').socket).toBe('/srv/tailrace/.s.PGSQL.5432');
  expect(embeddedUrl('/srv/tailrace')).toBe(
    'postgres:///tailrace?host=%2Fsrv%2Ftailrace&user=postgres',
  );
});

test('where its path would be too long for the system it is short, always the same, and nobody else’s', () => {
  const long = `/srv/${'x'.repeat(100)}`;
  const paths = embeddedPaths(long);
  expect(Buffer.byteLength(paths.socket)).toBeLessThanOrEqual(100);
  expect(embeddedPaths(`${long}/`).socket).toBe(paths.socket);
  expect(embeddedPaths(`${long}y`).socket).not.toBe(paths.socket);
  expect(paths.database).toBe(`${long}/db`);
});
