import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Request } from '../http/request.ts';
import { pageRoutes } from './page.ts';

const REQUEST: Request = {
  ...{ method: 'GET', path: '/', query: new URLSearchParams(), headers: new Map() },
  ...{ peer: '127.0.0.1', urlBytes: 1, headerBytes: 0 },
};

it('serves the files of the page, and nothing else of the folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'index.html'), '<!doctype html>');
  writeFileSync(join(folder, 'page.js'), '1');
  writeFileSync(join(folder, 'secret.env'), 'x');
  const routes = pageRoutes(folder);
  expect(routes.map((route) => [route.path, route.grant])).toEqual([
    ['/', 'public'],
    ['/page.js', 'public'],
  ]);
  const index = await routes[0]?.handle(REQUEST);
  expect(index?.headers['Content-Type']).toBe('text/html; charset=utf-8');
  expect(index?.headers['Content-Security-Policy']).toContain("script-src 'self'");
});

it('lets the page speak to its own server and to the issuer of its tokens, and to nobody else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'index.html'), '<!doctype html>');
  const policyFor = async (...origins: string[]) => {
    const index = await pageRoutes(folder, async () => origins)[0]?.handle(REQUEST);
    return index?.headers['Content-Security-Policy']?.split('; ');
  };
  expect(await policyFor()).toContain("connect-src 'self'");
  expect(await policyFor('https://id.example.org', 'https://tokens.test')).toEqual(
    expect.arrayContaining([
      "connect-src 'self' https://id.example.org https://tokens.test",
      "default-src 'none'",
      "frame-ancestors 'none'",
    ]),
  );
});

it('serves none where it was not built', () => {
  expect(pageRoutes(join(tmpdir(), 'tailrace-no-such-folder'))).toEqual([]);
  expect(pageRoutes(undefined)).toEqual([]);
});
