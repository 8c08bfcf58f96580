// Drawing: as often as a line moves by half a pixel or readings come, at most five times a second.
import { askStale } from './asking.ts';
import { type Page, windowNow } from './page-state.ts';

const REST_LEAST_MS = 200;
const REST_MOST_MS = 1_000;
/** A gesture is followed at once. */
const REST_STILL_MS = 16;

/** Starts to draw whenever there is something to draw. */
export function startFrames(page: Page): void {
  let drawnAtMs = 0;
  const frame = (nowMs: number): void => {
    window.requestAnimationFrame(frame);
    const live = page.view.span.kind === 'live';
    const shown = windowNow(page);
    const width = page.screen.width();
    const halfPixelMs = (shown.endMs - shown.startMs) / width / 2;
    const movingMs = Math.min(REST_MOST_MS, Math.max(REST_LEAST_MS, halfPixelMs));
    const moves = live && nowMs - drawnAtMs >= movingMs;
    const changed = page.dirty && nowMs - drawnAtMs >= (live ? REST_LEAST_MS : REST_STILL_MS);
    if (!moves && !changed) return;
    page.dirty = false;
    drawnAtMs = nowMs;
    page.lines.forgetBefore(live ? shown.startMs : Number.NEGATIVE_INFINITY);
    page.screen.draw(shown, { isLive: live, wholeUntilMs: page.data.following.wholeUntilMs });
    if (!live) return;
    if (page.lines.isFull(width)) askStale(page);
  };
  window.requestAnimationFrame(frame);
}
