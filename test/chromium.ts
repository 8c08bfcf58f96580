// The browser of the tests that look at pages: Debian's Chromium, as root and without a display.
import { type Browser, chromium, type Page } from 'playwright-core';

/** Starts it, with more of its switches where wanted. The caller closes it. */
export function launchChromium(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', ...more],
  });
}

/** Waits until the chart page says of itself that it is `Live`, `Offline` or whatever is wanted. */
export function hasStatus(page: Page, wanted: string): Promise<void> {
  return page.locator('#status-text', { hasText: new RegExp(`^${wanted}$`) }).waitFor();
}
