// Signing in as a person does: a real Chromium, the built program, and a real OpenID Connect issuer.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectPublisher, type Publisher } from '../../../lib/mqtt/publisher.ts';
import { launchChromium } from '../../../test/chromium.ts';
import {
  AUDIENCE,
  CLIENT_ID,
  RESOURCE,
  startIssuer,
  type TestIssuer,
} from '../../../test/issuer.ts';
import { freePort } from '../../../test/mosquitto.ts';
import { eventually, issueToken, type Program, startProgram } from '../../../test/program.ts';

const VIEW = '/?s=rig-1/mud/spp&live=5m&theme=dark';
const TOPIC = 't/acme/rig-1/mud/spp';

/** A browser, an issuer and a server on two busy cores: no step may fail for being slow. */
const PATIENCE_MS = 120_000;
vi.setConfig({ testTimeout: 3 * PATIENCE_MS, hookTimeout: PATIENCE_MS });

let dataDir: string;
let issuer: TestIssuer;
let program: Program;
let publisher: Publisher;
let browser: Browser;
let accessTtlS = 3_600;
let givesRefreshTokens = true;
const faults: string[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tailrace-sign-in-'));
  const port = await freePort();
  issuer = await startIssuer({
    pageUrl: `http://127.0.0.1:${port}/`,
    accessTtlS: () => accessTtlS,
    givesRefreshTokens: () => givesRefreshTokens,
    claimsOf: (name) => ({ tenant: 'acme', roles: name === 'dora' ? ['device'] : ['viewer'] }),
  });
  program = await startProgram({
    dataDir,
    env: {
      ...{ HTTP_PORT: String(port), MQTT_ANONYMOUS: 'loopback', JWT_AUDIENCE: AUDIENCE },
      ...{ OIDC_ISSUER: issuer.url, OIDC_CLIENT_ID: CLIENT_ID },
      ...{ OIDC_SCOPE: 'openid profile', OIDC_RESOURCE: RESOURCE },
    },
  });
  const url = program.mqttUrl ?? '';
  publisher = connectPublisher({ url, clientId: 'rig', windowMax: 1 });
  await publisher.publish(TOPIC, '100');
  await publisher.flush();
  browser = await launchChromium([
    // The issuer's own pages would fetch a font.
    '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  ]);
});

beforeEach(() => {
  accessTtlS = 3_600;
  givesRefreshTokens = true;
});

afterAll(async () => {
  await browser?.close();
  await publisher?.stop();
  await program?.end();
  await issuer?.stop();
  await rm(dataDir, { recursive: true, force: true });
});

async function openTab(path = VIEW, context?: BrowserContext): Promise<Page> {
  const own = context ?? (await browser.newContext({ viewport: { width: 1200, height: 760 } }));
  if (context === undefined) onTestFinished(() => own.close());
  const page = await own.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) faults.push(message.text());
  });
  await page.goto(program.httpUrl + path);
  return page;
}

/** From the card to the issuer's form. */
async function leave(page: Page): Promise<void> {
  await page.click('#sign-in-issuer');
  await page.waitForSelector('input[name=login]');
}

async function signIn(page: Page, name = 'ada'): Promise<void> {
  await leave(page);
  await page.fill('input[name=login]', name);
  await page.fill('input[name=password]', 'any');
  await page.click('button[type=submit]');
  await page.click('button:has-text("Continue")');
}

const isStatus = (page: Page, wanted: string): Promise<unknown> =>
  page.waitForFunction(
    (text) => document.querySelector('#status-text')?.textContent === text,
    wanted,
  );

const reasonOf = async (page: Page): Promise<string> => {
  await page.waitForSelector('#sign-in-reason:not(:empty)');
  return page.innerText('#sign-in-reason');
};

/** Frames of a page's tails, by the number of the WebSocket that carried them. */
function watchTails(page: Page) {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into frames freely
  const seen = { sockets: 0, received: [] as any[], sent: [] as any[] };
  page.on('websocket', (socket) => {
    seen.sockets += 1;
    socket.on('framereceived', ({ payload }) => seen.received.push(JSON.parse(String(payload))));
    socket.on('framesent', ({ payload }) => seen.sent.push(JSON.parse(String(payload))));
  });
  return seen;
}

/**
 * Has the page told that its tokens live for so many seconds, so that it renews them soon. They live for as long as the
 * issuer says, so that none ends before a slow step. `isAway` is asked about each exchange, the first being 1.
 */
async function tellLifetime(
  page: Page,
  lifetimeS: () => number,
  isAway: (exchange: number) => boolean = () => false,
): Promise<void> {
  let exchanges = 0;
  await page.route(`${issuer.url}/token`, async (route) => {
    exchanges += 1;
    if (isAway(exchanges)) return route.abort();
    const response = await route.fetch();
    const answer = await response.json();
    const told = 'expires_in' in answer ? { ...answer, expires_in: lifetimeS() } : answer;
    return route.fulfill({ response, json: told });
  });
}

/** An ID token with another nonce; whose signature it is the code flow does not ask. */
function ofOther(idToken: string): string {
  const [head, payload = '', signature] = idToken.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const other = Buffer.from(JSON.stringify({ ...claims, nonce: 'other' })).toString('base64url');
  return [head, other, signature].join('.');
}

describe('signing in at an issuer', () => {
  it('leads from the card to the issuer and back to the very view, with live lines, and out again', async () => {
    const page = await openTab();
    const button = await page.waitForSelector('#sign-in-issuer:visible');
    expect(await button.innerText()).toBe(`Sign in with ${new URL(issuer.url).host}`);
    expect(await page.isVisible('#token')).toBe(false);
    await leave(page);
    const asked = new URL(page.url());
    expect(asked.origin).toBe(issuer.url);
    await page.goBack();
    await page.waitForSelector('#sign-in-issuer:enabled');
    await signIn(page);
    await isStatus(page, 'Live');
    expect(page.url()).toBe(program.httpUrl + VIEW);
    await page.waitForSelector('.row:has-text("mud/spp"), .row:has-text("spp")');
    expect(await page.isVisible('#sign-in')).toBe(false);
    expect(await page.evaluate(() => localStorage.length)).toBe(0);

    // The menu says who one is, and one signs out at the issuer too.
    await page.click('#access');
    await page.waitForSelector('#account dd');
    expect(await page.innerText('#account-name')).toBe('Ada');
    expect((await page.innerText('#account-facts')).split(/\s*\n\s*/)).toEqual([
      ...['Subject', 'ada', 'Tenant', 'acme', 'Role', 'viewer'],
    ]);
    await page.click('#sign-out');
    await page.click('button:has-text("Yes")');
    await page.waitForSelector('#sign-in-issuer:visible');
    expect(page.url()).toBe(program.httpUrl + VIEW);
    expect(await page.evaluate(() => sessionStorage.getItem('tailrace.session'))).toBeNull();
    // The issuer has forgotten as well: it asks for the name again.
    await leave(page);
  });

  it('asks with PKCE, state and nonce, and takes no answer that it did not ask for', async () => {
    const page = await openTab();
    const exchanges: string[] = [];
    page.on('request', (request) => {
      if (request.url() === `${issuer.url}/token`) exchanges.push(request.postData() ?? '');
    });
    const [question] = await Promise.all([
      page.waitForRequest((request) => request.url().startsWith(`${issuer.url}/auth?`)),
      leave(page),
    ]);
    const asked = new URL(question.url()).searchParams;
    expect(asked.get('code_challenge_method')).toBe('S256');
    expect(asked.get('code_challenge')).toHaveLength(43);
    expect(asked.get('nonce')).toHaveLength(43);
    expect(asked.get('redirect_uri')).toBe(`${program.httpUrl}/`);
    await page.goto(`${program.httpUrl}/?code=stolen&state=made-up`);
    expect(await reasonOf(page)).toContain('belongs to no sign-in of this tab');
    expect(new URL(page.url()).searchParams.has('code')).toBe(false);
    // The right state from another issuer: two of them were mixed up (RFC 9207).
    const state = asked.get('state') ?? '';
    await page.goto(
      `${program.httpUrl}/?${new URLSearchParams({ code: 'stolen', state, iss: 'https://evil.test' })}`,
    );
    expect(await reasonOf(page)).toContain('comes from another issuer');
    expect(exchanges).toEqual([]);
    // An ID token that was made for another sign-in.
    await page.route(`${issuer.url}/token`, async (route) => {
      const response = await route.fetch();
      const tokens = await response.json();
      await route.fulfill({ response, json: { ...tokens, id_token: ofOther(tokens.id_token) } });
    });
    await signIn(page);
    expect(await reasonOf(page)).toContain('"nonce"');
  });

  it('says so when the issuer does not let one in', async () => {
    const page = await openTab();
    await leave(page);
    await page.click('a:has-text("Cancel")');
    expect(await reasonOf(page)).toContain('did not let you in');
    expect(page.url()).toBe(program.httpUrl + VIEW);
    await page.waitForSelector('#sign-in-issuer:enabled');
  });

  it('tells a caller without rights what the policy says, and to whom', async () => {
    const page = await openTab();
    await signIn(page, 'dora');
    await page.waitForSelector('.notice.error:has-text("dora")');
    expect(await page.innerText('#notices')).toMatch(
      /^Not allowed: .+\. You are dora of acme, device\.\s*Sign out$/,
    );
  });

  it('takes a token as well, for those who have one', async () => {
    const page = await openTab();
    await page.click('#token-entry summary');
    await page.fill('#token', await issueToken(dataDir, { tenant: 'acme', role: 'viewer' }));
    await page.keyboard.press('Enter');
    await isStatus(page, 'Live');
  });
});

describe('a session', () => {
  it('is renewed over the open tail, token after token, and no point is missing', async () => {
    let lifetimeS = 1;
    const page = await openTab();
    const tails = watchTails(page);
    // The issuer is away for two of the renewals.
    await tellLifetime(
      page,
      () => lifetimeS,
      (exchange) => exchange === 3 || exchange === 4,
    );
    await signIn(page);
    await isStatus(page, 'Live');
    const reauthed = () => tails.received.filter(({ type }) => type === 'reauthed');
    let written = 0;
    await eventually(
      async () => {
        await publisher.publish(TOPIC, String(1_000 + written++));
        await publisher.flush();
        return reauthed().length;
      },
      (count) => count >= 3,
      PATIENCE_MS,
    );
    const values = () =>
      tails.received
        .filter(({ type }) => type === 'data')
        .flatMap(({ points }) => points.map((point: number[]) => point[2]));
    await eventually(
      async () => values().length,
      (count) => count >= written,
      PATIENCE_MS,
    );
    expect(values()).toEqual(Array.from({ length: written }, (_, i) => 1_000 + i));
    expect(tails.sockets).toBe(1);
    const brought = tails.sent.filter(({ type }) => type === 'reauth').map(({ token }) => token);
    expect(new Set(brought).size).toBe(brought.length);
    const [first, , third] = reauthed();
    expect(third.expires_at).toBeGreaterThan(first.expires_at);
    expect(await page.innerText('#status-text')).toBe('Live');

    // The issuer takes it back: the charts stay as they are, and one can sign in again.
    accessTtlS = 1;
    await eventually(
      async () => reauthed().at(-1).expires_at - Date.now(),
      (leftMs) => leftMs < 60_000,
      PATIENCE_MS,
    );
    await issuer.endSessions();
    await page.waitForSelector('.notice:has-text("Your session is over")');
    const url = page.url();
    expect(await page.locator('.pane').count()).toBe(1);
    expect(await page.isVisible('#sign-in')).toBe(false);
    [accessTtlS, lifetimeS] = [3_600, 3_600];
    await page.click('.notice button:has-text("Sign in")');
    await isStatus(page, 'Live');
    expect(page.url()).toBe(url);
  });

  it('that cannot be renewed says when it ends, and goes on after a look at the issuer', async () => {
    let lifetimeS = 2;
    givesRefreshTokens = false;
    const page = await openTab();
    await tellLifetime(page, () => lifetimeS);
    await signIn(page);
    await isStatus(page, 'Live');
    await page.waitForSelector('.notice:has-text("Your session ends at")');
    lifetimeS = 3_600;
    givesRefreshTokens = true;
    await page.click('.notice button:has-text("Sign in again")');
    await eventually(
      () => page.locator('.notice').count(),
      (count) => count === 0,
      PATIENCE_MS,
    );
    await isStatus(page, 'Live');
  });

  it('outlives a reload, and a copy of the tab does not use its refresh token', async () => {
    const page = await openTab();
    await signIn(page);
    await isStatus(page, 'Live');
    await page.reload();
    await isStatus(page, 'Live');
    const [copy] = await Promise.all([
      page.waitForEvent('popup'),
      page.evaluate(() => window.open(window.location.href)),
    ]);
    // Each has a name of its own by then, and only the first a session that it may renew.
    const nameOf = (tab: Page) => tab.evaluate(() => sessionStorage.getItem('tailrace.tab'));
    const name = await nameOf(page);
    await eventually(
      () => nameOf(copy),
      (other) => other !== name,
      PATIENCE_MS,
    );
    const refreshOf = (tab: Page) =>
      tab.evaluate(() => JSON.parse(sessionStorage.getItem('tailrace.session') ?? '').refresh);
    await isStatus(copy, 'Live');
    expect([typeof (await refreshOf(page)), typeof (await refreshOf(copy))]).toEqual([
      ...['string', 'undefined'],
    ]);
  });
});

it('all of that without a fault, and within the content policy', () => {
  expect(faults).toEqual([]);
});
