// The page while its server goes away, comes back, and sends more than gets through: a real Chromium, the built program,
// and a network in between.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectPublisher } from '../../lib/mqtt/publisher.ts';
import { hasStatus, launchChromium } from '../../test/chromium.ts';
import { eventually, issueToken, type Program, startProgram } from '../../test/program.ts';
import { startProxy, type TcpProxy } from '../../test/proxy.ts';

let dataDir: string;
let program: Program;
let proxy: TcpProxy;
let browser: Browser;
let page: Page;
const faults: string[] = [];

const start = () => startProgram({ dataDir, env: { MQTT_ANONYMOUS: 'loopback' } });

/** Commits readings of rig-1, by time and value. */
async function write(channel: string, readings: readonly (readonly [number, unknown])[]) {
  const url = program.mqttUrl ?? '';
  const publisher = connectPublisher({ url, clientId: 'rig', windowMax: 1 });
  const [ts, value] = [readings.map(([t]) => t), readings.map(([, v]) => v)];
  await publisher.publish(`t/acme/rig-1/${channel}`, JSON.stringify({ ts, values: { value } }));
  await publisher.flush();
  await publisher.stop();
}

/** Readings a minute apart, of `count` values from `first` on, that end so many minutes ago. */
function row(first: number, count: number, minutesAgo: number): [number, number][] {
  const nowMs = Date.now();
  return Array.from({ length: count }, (_, i) => {
    return [nowMs - (minutesAgo + count - 1 - i) * 60_000, first + i];
  });
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-outages-'));
  program = await start();
  proxy = await startProxy(() => ({
    ...{ host: '127.0.0.1', port: Number(new URL(program.httpUrl).port) },
  }));
  await write('flow', row(100, 5, 22));
  await write('mode', [[Date.now() - 1_200_000, 'idle']]);
  browser = await launchChromium();
  page = await browser.newPage({ viewport: { width: 1280, height: 640 }, colorScheme: 'dark' });
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => faults.push(error.message));
  const token = await issueToken(dataDir, { tenant: 'acme', role: 'viewer' });
  await page.addInitScript((kept) => sessionStorage.setItem('tailrace.token', kept), token);
  await page.goto(`http://127.0.0.1:${proxy.port}/?s=rig-1/flow/value&s=rig-1/mode/value&live=30m`);
  await isStatus('Live');
});

afterAll(async () => {
  await browser?.close();
  await proxy?.close();
  await program?.end();
  await rm(dataDir, { recursive: true, force: true });
});

const isStatus = (wanted: string): Promise<void> => hasStatus(page, wanted);

/** As a browser says when a network is there again: nobody has to wait for the next attempt. */
const comeBack = () => page.evaluate(() => window.dispatchEvent(new Event('online')));

/** What the page has said of itself since the call, in order. */
async function watchStatus(): Promise<() => Promise<string[]>> {
  const seen = await page.evaluateHandle(() => {
    const words: (string | null)[] = [];
    const text = document.querySelector('#status-text') as Element;
    const options = { characterData: true, childList: true, subtree: true };
    new MutationObserver(() => words.push(text.textContent)).observe(text, options);
    return words;
  });
  return () => seen.evaluate((words) => words.map(String));
}

const detail = () => page.innerText('#status-detail');

/** Values that the crosshair reads along the chart. */
async function shownValues(): Promise<number[]> {
  const box = await page.locator('.pane .u-over').first().boundingBox();
  if (box === null) throw new Error('there is no chart');
  const values = new Set<number>();
  for (let x = box.x + box.width / 4; x < box.x + box.width; x += 12) {
    await page.mouse.move(x, box.y + 40);
    const text = await page.locator('.row .value').first().innerText();
    values.add(Math.round(Number(text.replaceAll(/[^\d.]/g, ''))));
  }
  await page.mouse.move(10, 10);
  return [...values];
}

const expectShown = (values: readonly number[]): Promise<unknown> =>
  eventually(shownValues, (shown) => values.every((value) => shown.includes(value)));

const valuesOf = (readings: readonly (readonly [number, number])[]) => readings.map(([, v]) => v);

describe('the page', () => {
  it('says since when it is offline, and shows what came meanwhile when the connection is back', async () => {
    const seen = await watchStatus();
    proxy.refuse();
    await isStatus('Offline');
    await eventually(detail, (text) => /^last live \d\d:\d\d:\d\d · retrying in \d+ s$/.test(text));
    const missed = row(200, 5, 16);
    await write('flow', missed);
    proxy.accept();
    await comeBack();
    await isStatus('Live');
    await expectShown([...valuesOf(missed), 104]);
    const words = await seen();
    expect(words.filter((word, i) => word !== words[i - 1])).toEqual([
      ...['Offline', 'Catching up', 'Live'],
    ]);
  });

  it('has no hole after the server was started anew', async () => {
    const before = row(300, 3, 12);
    await write('flow', before);
    expect(await program.end()).toBe(0);
    await isStatus('Offline');
    proxy.refuse();
    program = await start();
    const missed = row(400, 4, 7);
    await write('flow', missed);
    proxy.accept();
    await comeBack();
    await isStatus('Live');
    await expectShown([...valuesOf(before), ...valuesOf(missed), 204]);
  });

  it('says so when it is sent summaries, and is put right from the database', async () => {
    proxy.hold();
    // More than the network between takes: what is left waits in the server until it is summarised.
    const [nowMs, long] = [Date.now(), 'x'.repeat(4_000)];
    for (let message = 0; message < 5; message += 1) {
      const texts = Array.from(
        { length: 500 },
        (_, i) => [nowMs + i * 0.01, `${i} ${long}`] as const,
      );
      await write('mode', texts);
    }
    const flow = row(500, 3, 3);
    await write('flow', flow);
    proxy.release();
    await isStatus('Summaries');
    expect(await detail()).toBe('not every reading is sent');
    await expectShown([...valuesOf(flow), 403]);
    await write('flow', [[Date.now(), 480]]);
    await isStatus('Live');
  });

  it('is put right though readings come late all the time and answers take long', async () => {
    await page.route('**/v1/range**', async (route) => {
      // Longer than the page waits before it asks anew.
      await delay(3_000);
      await route.continue();
    });
    const lateMs = Date.now() - 11.5 * 60_000;
    let late = 0;
    await eventually(
      async () => {
        late += 1;
        await write('flow', [[lateMs + late, 600]]);
        return shownValues();
      },
      (shown) => shown.includes(600),
    );
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  });

  it('did all of that without a fault', () => {
    expect(faults).toEqual([]);
  });
});
