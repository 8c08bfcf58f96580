// The page as a person meets it: the built program with the demo's data, and a real Chromium.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectPublisher } from '../../lib/mqtt/publisher.ts';
import { hasStatus, launchChromium } from '../../test/chromium.ts';
import { freePort } from '../../test/mosquitto.ts';
import { eventually, issueToken, type Program, startProgram } from '../../test/program.ts';

let dataDir: string;
let port: number;
let program: Program;
let browser: Browser;
let page: Page;
const faults: string[] = [];
const ranges: URL[] = [];

const startDemo = (): Promise<Program> =>
  startProgram({
    command: 'demo',
    dataDir,
    env: { HTTP_PORT: String(port), MQTT_PORT: '0' },
    isFirstStart: true,
  });

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-page-'));
  port = await freePort();
  program = await startDemo();
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark' });
  page.setDefaultTimeout(40_000);
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (request.url().includes('/v1/range')) ranges.push(new URL(request.url()));
  });
  await page.goto(program.httpUrl);
});

afterAll(async () => {
  await browser?.close();
  await program?.end();
  await rm(dataDir, { recursive: true, force: true });
});

const isStatus = (wanted: string): Promise<void> => hasStatus(page, wanted);
const reading = (name: string): Promise<string> =>
  page.locator('.row', { hasText: name }).locator('.reading').innerText();

const pictureOf = (pane: number): Promise<string | undefined> =>
  page.evaluate(
    (index) =>
      document.querySelectorAll<HTMLCanvasElement>('.pane.plot canvas')[index]?.toDataURL(),
    pane,
  );

/** Pixels of a pane that are neither its ground nor its grid: those of a line. */
const inkOf = (pane: number): Promise<number> =>
  page.evaluate((index) => {
    const canvas = document.querySelectorAll<HTMLCanvasElement>('.pane.plot canvas')[index];
    const pixels =
      canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    let ink = 0;
    for (let i = 0; i < pixels.length; i += 4) {
      const [red = 0, green = 0, blue = 0] = pixels.slice(i, i + 3);
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > 60) ink++;
    }
    return ink;
  }, pane);

describe('the chart page of the demo', () => {
  it('opens with history and moving lines, signed in by itself', async () => {
    await isStatus('Live');
    await eventually(
      () => inkOf(0),
      (ink) => ink > 300,
    );
    expect(await page.locator('.pane').count()).toBe(9);
    const before = await reading('hole depth');
    expect(before).toMatch(/^[\d\u202f.]+\s+m$/);
    expect(await reading('standpipe pressure')).toMatch(/\d\s+bar$/);
    // All are of one asset, which is said once; the end of their channels tells them apart.
    expect(await page.locator('.row .asset').allInnerTexts()).toEqual(['rig-sim-1']);
    expect((await page.locator('.row .name').allInnerTexts()).slice(0, 2)).toEqual([
      ...['activity', 'block position'],
    ]);
    // The rig may stand still in a connection; its hook never does.
    const hook = await pictureOf(2);
    await eventually(
      () => pictureOf(2),
      (now) => now !== hook,
    );
  });

  it('keeps its panes, and so a drag or a crosshair, when a series appears that they do not show', async () => {
    // A pane is built anew when a series of its own appears.
    await page.waitForFunction(() => document.querySelector('.row.missing') === null);
    const pane = await page.waitForSelector('.pane');
    const publisher = connectPublisher({
      url: program.mqttUrl ?? '',
      clientId: 'newcomer',
      windowMax: 1,
    });
    await publisher.publish('t/demo/newcomer/level', '1');
    await publisher.flush();
    await publisher.stop();
    await page.waitForSelector('[role=group][aria-label=newcomer]');
    expect(await pane.evaluate((element) => element.isConnected)).toBe(true);
  });

  it('says which data is real, replayed and simulated', async () => {
    const list = await page.innerText('#results');
    expect(list).toContain('Simulated rig: made up by the demo, no real well.');
    expect(list).toContain('times shifted to now');
  });

  it('shows time, values and units under the pointer', async () => {
    await page.mouse.move(1_000, 300);
    await page.waitForSelector('#pill:not([hidden])');
    expect(await page.innerText('#pill')).toMatch(/^\d+ \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3}$/);
    // The demo writes its past from the newest backwards; it reaches the pointer in a moment.
    await eventually(
      () => reading('hook load'),
      (text) => /^\d+(\.\d+)?\s+klbf$/.test(text),
    );
  });

  it('asks again at the width of the plot when one zooms, and the address says it', async () => {
    await page.mouse.move(900, 300);
    await page.mouse.down();
    await page.mouse.move(1_100, 300, { steps: 5 });
    // What is highlighted is zoomed to, and the highlight follows the pointer once a frame.
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLElement>('.u-select')].some(
        (select) => select.offsetWidth === 200,
      ),
    );
    ranges.length = 0;
    await page.mouse.up();
    await isStatus('Paused');
    await eventually(
      async () => ranges.length,
      (count) => count > 0,
    );
    const plot = await page.locator('#ruler-plot .u-over').evaluate((over) => over.clientWidth);
    const asked = ranges.find((url) => url.searchParams.has('width'));
    expect(asked?.searchParams.get('width')).toBe(String(plot));
    const address = new URL(page.url()).searchParams;
    const spanMs = Date.parse(address.get('end') ?? '') - Date.parse(address.get('start') ?? '');
    expect(Math.abs(spanMs - (900_000 * 200) / plot)).toBeLessThan(10_000);
    await page.goBack();
    await isStatus('Live');
    expect(new URL(page.url()).searchParams.has('start')).toBe(false);
  });

  it('moves, stands still and follows by keys', async () => {
    await page.keyboard.press('ArrowLeft');
    await isStatus('Paused');
    await page.keyboard.press('l');
    await isStatus('Live');
    await page.keyboard.press('?');
    expect(await page.locator('#help').evaluate((dialog: HTMLDialogElement) => dialog.open)).toBe(
      true,
    );
    await page.keyboard.press('Escape');
    await page.keyboard.press('t');
    expect(await page.getAttribute('html', 'data-theme')).toBe('light');
    await page.keyboard.press('t');
    expect(await page.getAttribute('html', 'data-theme')).toBe('dark');
  });

  it('finds a series as one types, shows it, and keeps the view in its address', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('x300 temp');
    await page.waitForFunction(() => document.querySelectorAll('[role=option]').length === 1);
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelectorAll('.pane').length === 10);
    expect(page.url()).toContain('s=nab-replay-x300/machine_temperature');
    await page.goto(page.url());
    await isStatus('Live');
    expect(await page.locator('.pane').count()).toBe(10);
    await eventually(
      () => reading('machine temperature'),
      (text) => /\d/.test(text),
    );
  });

  it('shows states as bands: how long each held, what the tail adds, and what is under the pointer', async () => {
    const publisher = connectPublisher({
      url: program.mqttUrl ?? '',
      clientId: 'pump',
      windowMax: 1,
    });
    const publish = async (text: string): Promise<void> => {
      await publisher.publish('t/demo/newcomer/mode', text);
      await publisher.flush();
    };
    await publish('"idle"');
    ranges.length = 0;
    await page.goto(`${program.httpUrl}/?s=newcomer/mode&live=5m`);
    await isStatus('Live');
    const legend = page.locator('.lane .legend');
    await eventually(
      () => legend.innerText(),
      (text) => /^idle \d/.test(text),
    );
    expect(ranges.map((url) => url.searchParams.get('agg'))).toContain('intervals');
    // Ranges are answered no more: what is shown now came by the tail.
    let answer = () => {};
    const answering = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await page.route('**/v1/range*', async (route) => {
      await answering;
      await route.continue();
    });
    await publish('"running"');
    await eventually(
      () => legend.innerText(),
      (text) => text.includes('running'),
    );
    expect(await reading('mode')).toMatch(/^running\s+\d/);
    answer();
    await page.unrouteAll({ behavior: 'wait' });
    await publisher.stop();
    // The newest band ends where the plot does.
    const plot = await page.locator('.lane .u-over').boundingBox();
    await page.mouse.move((plot?.x ?? 0) + (plot?.width ?? 0) - 1, (plot?.y ?? 0) + 10);
    await page.waitForSelector('.tip:not([hidden])');
    expect(await page.locator('.tip').innerText()).toMatch(
      /^(running|idle) · \d.* · (since )?\d\d:\d\d:\d\d/,
    );
    expect(await page.locator('.held').isVisible()).toBe(true);
    await page.goto(program.httpUrl);
    await isStatus('Live');
  });

  it('leaves the charts of a telephone free: the list comes when it is called', async () => {
    const telephone = await browser.newPage({ viewport: { width: 390, height: 844 } });
    await telephone.goto(program.httpUrl);
    await telephone.waitForSelector('.pane');
    expect(await telephone.locator('#rail').isVisible()).toBe(false);
    await telephone.click('#rail-toggle');
    expect(await telephone.locator('#rail').isVisible()).toBe(true);
    await telephone.setViewportSize({ width: 1_024, height: 844 });
    await telephone.setViewportSize({ width: 390, height: 844 });
    await telephone.waitForSelector('#rail', { state: 'hidden' });
    // Names and values stand above their plots, which have the whole width.
    const plot = await telephone.locator('.pane .plot').first().boundingBox();
    expect(plot?.width).toBe(390);
    await telephone.close();
  });

  it('says why, when a token may not read', async () => {
    const token = await issueToken(dataDir, { tenant: 'demo', role: 'device' });
    await page.click('#access');
    await page.click('#sign-in-other');
    await page.fill('#token', token);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.notice.error');
    expect(await page.innerText('#notices')).toMatch(/^Not allowed: .+/);
    await page.evaluate(() => sessionStorage.clear());
  });

  it('is offline while the server is away, and goes on with the same data when it is back', async () => {
    await page.reload();
    await isStatus('Live');
    expect(await program.end()).toBe(0);
    await isStatus('Offline');
    await page.waitForSelector('.notice');
    program = await startDemo();
    await isStatus('Live');
    await eventually(
      () => inkOf(0),
      (ink) => ink > 300,
      // The demo brings its history once more meanwhile.
      120_000,
    );
  });

  it('did all of that without a fault', () => {
    expect(faults).toEqual([]);
  });
});
