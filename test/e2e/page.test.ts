// The chart page as a person has it: the demo, in a real Chromium.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { issueToken, type Program, startProgram } from '../program.ts';

const LOOK_MS = 30_000;

let folder: string;
let demo: Program;
let browser: BrowserContext;
let page: Page;
/** What the page itself complained of. */
const complaints: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-page-'));
  demo = await startProgram({ command: 'demo', dataDir: join(folder, 'data') });
  browser = await chromium.launchPersistentContext(join(folder, 'browser'), {
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    viewport: { width: 1440, height: 900 },
    colorScheme: 'dark',
  });
  browser.setDefaultTimeout(LOOK_MS);
});

afterAll(async () => {
  await browser.close();
  const status = await demo.end('SIGINT');
  await rm(folder, { recursive: true, force: true });
  expect(status).toBe(0);
});

beforeEach(async () => {
  await page?.close();
  complaints.length = 0;
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(error.message));
});

/** Opens the page and waits until it follows the present. */
async function openLive(query = ''): Promise<void> {
  await page.goto(`${demo.httpUrl}/${query}`);
  await page.locator('#status[data-state="live"]').waitFor();
}

const pane = (name: string) => page.locator(`.pane[aria-label*="${name}"]`);

/** How many pixels of a pane's canvas are drawn upon. */
async function inked(name: string): Promise<number> {
  return pane(name)
    .locator('canvas')
    .first()
    .evaluate((element) => {
      const canvas = element as unknown as {
        width: number;
        height: number;
        getContext(kind: '2d'): {
          getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray };
        };
      };
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 3; i < data.length; i += 4) if ((data[i] ?? 0) > 0) count++;
      return count;
    });
}

test('the demo opens on a drilling screen with history, and its values move', async () => {
  await openLive();
  await pane('hook_load').waitFor();
  expect(await page.locator('.pane').count()).toBeGreaterThanOrEqual(8);
  await expect.poll(() => inked('standpipe_pressure'), { timeout: LOOK_MS }).toBeGreaterThan(1_000);
  const value = pane('weight_on_bit').locator('.value').first();
  const before = await value.textContent();
  await expect.poll(() => value.textContent(), { timeout: LOOK_MS }).not.toBe(before);
  expect(complaints).toEqual([]);
});

test('a series is found while typing, chosen by keyboard, and kept in the address', async () => {
  await openLive();
  await pane('hook_load').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('rop');
  await page.getByRole('option', { name: 'rop' }).first().waitFor();
  await page.keyboard.press('Enter');
  await pane('drilling/rop').waitFor();
  await expect.poll(() => page.url(), { timeout: LOOK_MS }).toContain('drilling/rop');
  const address = page.url();
  await page.goto('about:blank');
  await page.goto(address);
  await pane('drilling/rop').waitFor();
});

test('zooming by a drag asks again for what the panes are wide', async () => {
  await openLive('?s=rig-sim-1/drilling/hook_load&live=15m');
  const plot = pane('hook_load').locator('.plot');
  await expect.poll(() => inked('hook_load'), { timeout: LOOK_MS }).toBeGreaterThan(1_000);
  const box = await plot.boundingBox();
  if (box === null) throw new Error('the plot has no place on the page');
  const asked = page.waitForRequest((request) => {
    const url = new URL(request.url());
    if (url.pathname !== '/v1/range' || !url.searchParams.has('width')) return false;
    return Math.abs(Number(url.searchParams.get('width')) - box.width) < box.width / 4;
  });
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.4, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.6, y, { steps: 5 });
  await page.mouse.up();
  await asked;
  await page.locator('#status[data-state="live"]').waitFor({ state: 'hidden' });
  expect(page.url()).toMatch(/start=.*end=/);
});

test('hovering tells the values of that moment', async () => {
  await openLive('?s=rig-sim-1/drilling/hook_load&live=15m');
  await expect.poll(() => inked('hook_load'), { timeout: LOOK_MS }).toBeGreaterThan(1_000);
  const box = await pane('hook_load').locator('.plot').boundingBox();
  if (box === null) throw new Error('the plot has no place on the page');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.locator('#pill').waitFor({ state: 'visible' });
  expect(await page.locator('#pill').textContent()).toMatch(/\d{2}:\d{2}/);
});

test('a token that may not see this is told why', async () => {
  const token = await issueToken(demo.dataDir, { tenant: 'demo', role: 'device' });
  await page.addInitScript(`sessionStorage.setItem('tailrace.token', ${JSON.stringify(token)})`);
  await page.goto(demo.httpUrl);
  await page
    .getByText(/may not/)
    .first()
    .waitFor();
});

test('both themes show the same panes', async () => {
  await openLive('?s=rig-sim-1/drilling/hook_load&live=15m&theme=light');
  await pane('hook_load').waitFor();
  const light = await page.evaluate('getComputedStyle(document.body).backgroundColor');
  await page.getByRole('button', { name: 'Light or dark' }).click();
  await expect
    .poll(() => page.evaluate('getComputedStyle(document.body).backgroundColor'), {
      timeout: LOOK_MS,
    })
    .not.toBe(light);
});
