// When the server is asked, and what its answers and refusals do to the page.
import type { ApiError } from './api.ts';
import { describeOutage, type FollowState } from './follow-state.ts';
import { describeBearer, describeObligations, formatLength } from './format.ts';
import { type Page, windowNow } from './page-state.ts';
import { seriesOf } from './view.ts';
import type { RangeAnswer } from './wire.ts';

/** A gesture that goes on changes the window many times; the server is asked when it rests. */
export const ASK_REST_MS = 120;
const ASK_AGAIN_MS = 3_000;
/** Late readings, gaps and full lines are put right by a new answer, this often at most. */
const STALE_REST_MS = 2_000;
/** Whose network does not keep up is not to fill it with answers. */
const SUMMARIES_REST_MS = 8_000;

/** Asks after a rest; a later wish takes the place of an earlier one. */
export function askSoon(page: Page, restMs: number): void {
  window.clearTimeout(page.asking.timer);
  page.asking.atMs = performance.now() + restMs;
  page.asking.timer = window.setTimeout(() => void ask(page), restMs);
}

/**
 * What is shown is no longer all there is. Neither puts off a question that is about to be asked nor ends one that is
 * under way: where readings come late all the time none would ever be answered.
 */
export function askStale(page: Page): void {
  const { asking, data } = page;
  asking.isStale = true;
  if (asking.question !== undefined) return;
  const restMs = data.following.state.kind === 'summaries' ? SUMMARIES_REST_MS : STALE_REST_MS;
  const atMs = Math.max(performance.now(), asking.askedMs + restMs);
  if (atMs < asking.atMs) askSoon(page, atMs - performance.now());
}

async function ask(page: Page): Promise<void> {
  const { view, catalogue, data, screen, access, asking } = page;
  asking.atMs = Number.POSITIVE_INFINITY;
  asking.askedMs = performance.now();
  if (access.token() === undefined) return;
  const series = seriesOf(view)
    .map((name) => catalogue.find(name))
    .filter((info) => info !== undefined);
  asking.isStale = false;
  if (series.length === 0) {
    asking.question = undefined;
    data.rest();
    return;
  }
  const live = view.span.kind === 'live';
  const question = { series, ...windowNow(page), width: screen.width(), live };
  asking.question = question;
  await data.ask(question);
  if (asking.question !== question) return;
  asking.question = undefined;
  if (asking.isStale) askStale(page);
}

/** An answer came: what it says about itself is told. */
export function answered(page: Page, answer: RangeAnswer | undefined, tookMs: number): void {
  const { controls, screen } = page;
  controls.notice('range', undefined);
  controls.notice('access', undefined);
  controls.notice('connection', undefined);
  if (answer === undefined) return;
  const { level, step_ms: stepMs, complete } = answer.range;
  const limits = describeObligations(answer.policy?.obligations);
  controls.notice(
    'limits',
    limits.length === 0 ? undefined : `Your access is limited by policy: ${limits.join('; ')}.`,
  );
  controls.notice(
    'incomplete',
    complete ? undefined : 'Readings of this stretch of time are known to be missing.',
    'warn',
  );
  const from = level === 'raw' ? 'raw' : `${level} rollup`;
  const step = stepMs === null ? '' : ` · ${formatLength(stepMs)} steps`;
  screen.caption(`${from}${step} · ${Math.round(tookMs)} ms`);
}

/** A request failed: what helps is done, and what a person has to know is said. */
export function failed(page: Page, error: ApiError): void {
  const { controls, catalogue } = page;
  if (error.status === 401) {
    void renew(page, error.code === 'token_expired' ? '' : error.message);
  } else if (error.status === 403) {
    void denied(page, error.message);
  } else if (error.status === 0 || error.status === 429 || error.status >= 500) {
    // Of the server that is away the tail speaks.
    if (page.data.following.state.kind !== 'offline') {
      controls.notice('connection', `${error.message} Trying again.`, 'error');
    }
    askSoon(page, ASK_AGAIN_MS);
  } else {
    controls.notice('range', error.message, 'error');
    catalogue.refreshSoon();
  }
}

/** How the page stands to the present has changed. */
export function followingChanged(page: Page, state: FollowState): void {
  const { controls, data, catalogue } = page;
  controls.following(state);
  page.dirty = true;
  if (state.kind === 'offline' && state.attempt > 1) {
    controls.notice('outage', describeOutage(state), 'warn');
    controls.notice('connection', undefined);
  }
  if (state.kind !== 'offline') controls.notice('outage', undefined);
  if (state.kind === 'catching up' && data.following.isMissing) {
    askStale(page);
  } else if (state.kind === 'refused') {
    refused(page, state);
    // What is still allowed, and whether the token itself is, the next answer says.
    if (state.code !== '401' && state.code !== '403') catalogue.refreshSoon();
  }
}

function refused(page: Page, { code, problem, reason }: FollowState & { kind: 'refused' }): void {
  if (code === '401') void renew(page, problem === 'token_expired' ? '' : reason);
  else if (code === '403' || code === '4403' || code === 'forbidden') void denied(page, reason);
  else page.controls.notice('range', reason, 'error');
}

/** The policy says no: its reason, and to whom it says so. */
async function denied(page: Page, reason: string): Promise<void> {
  const { access, api, controls } = page;
  const out = { label: 'Sign out', run: () => void access.signOut() };
  const said = reason.endsWith('.') ? reason : `${reason}.`;
  const say = (text: string) =>
    controls.notice('access', text, 'error', access.name === undefined ? undefined : out);
  say(`Not allowed: ${said}`);
  const me = await api.me().catch(() => undefined);
  if (me !== undefined) say(`Not allowed: ${said} You are ${describeBearer(me)}.`);
}

/** The token is over or was refused: the issuer or the demo may have another one. */
async function renew(page: Page, reason: string): Promise<void> {
  if (!(await page.access.renew(reason))) return;
  page.catalogue.refreshSoon();
  askSoon(page, ASK_REST_MS);
}
