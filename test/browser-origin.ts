// A web page of an origin of its own, for tests of what browsers do with a server.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from './chromium.ts';

export interface BrowserOrigin {
  readonly origin: string;
  /** Opens a page that runs this module; other modules stand beside it. Its text is that of its body. */
  run(script: string, beside?: Readonly<Record<string, string>>): Promise<Page>;
  /** What went wrong in the pages. */
  readonly faults: readonly string[];
  stop(): Promise<void>;
}

const PAGE = '<!doctype html><body><script type="module" src="/main.js"></script></body>';

/** Starts a browser, and a server of pages on a port of 127.0.0.1. */
export async function startBrowserOrigin(): Promise<BrowserOrigin> {
  const faults: string[] = [];
  let files: Readonly<Record<string, string>> = {};
  const server = createServer(({ url = '' }, response) => {
    const type = url.endsWith('.js') ? 'text/javascript' : 'text/html';
    const text = url === '/' ? PAGE : files[url.slice(1)];
    response.writeHead(text === undefined ? 404 : 200, { 'content-type': type }).end(text);
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser: Browser = await launchChromium();
  return {
    ...{ origin, faults },
    async run(script, beside = {}) {
      files = { ...beside, 'main.js': script };
      const page = await browser.newPage();
      page.on('pageerror', (error) => faults.push(error.message));
      await page.goto(origin);
      return page;
    },
    async stop() {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}
