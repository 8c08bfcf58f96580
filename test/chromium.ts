// The browser of the tests that look at pages: Debian's Chromium, as root and without a display.
import { type Browser, chromium } from 'playwright-core';

/** Starts it, with more of its switches where wanted. The caller closes it. */
export function launchChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', ...more],
  });
}
