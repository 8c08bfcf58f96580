// `/` and what the chart page needs, read once from the folder that the build made.
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { reply } from '../http/reply.ts';
import type { PublicRoute } from '../http/routes.ts';
import type { SignInOrigins } from './sign-in-origins.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/**
 * Nothing from elsewhere runs, and nobody frames the page; uPlot sets style attributes; a live tail is a WebSocket to
 * where the page is from. Tokens come from the issuer, if there is one.
 */
function pagePolicy(origins: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    ['connect-src', "'self'", ...origins].join(' '),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => extname(name) in TYPES);
  } catch {
    return [];
  }
}

/**
 * Makes a route for each file of `directory`, `index.html` as `/`; none where there is no such folder. The page may ask
 * for tokens at `origins`.
 */
export function pageRoutes(
  directory: string | undefined,
  origins: SignInOrigins = async () => [],
): PublicRoute[] {
  if (directory === undefined) return [];
  return namesIn(directory).map((name) => {
    const body = readFileSync(join(directory, name));
    const type = TYPES[extname(name)] ?? 'application/octet-stream';
    const headers = { 'Content-Type': type, 'Referrer-Policy': 'no-referrer' };
    return {
      method: 'GET',
      path: name === 'index.html' ? '/' : `/${name}`,
      grant: 'public',
      summary: name === 'index.html' ? 'The chart page.' : `A part of the chart page: ${name}.`,
      parameters: [],
      types: [type.split(';')[0] ?? type],
      async handle() {
        if (extname(name) !== '.html') return reply(body, { headers });
        const policy = pagePolicy(await origins());
        // A browser that has the page under another policy has to get it anew.
        const etagOf = `${policy}\n${body}`;
        return reply(body, { headers: { ...headers, 'Content-Security-Policy': policy }, etagOf });
      },
    };
  });
}
