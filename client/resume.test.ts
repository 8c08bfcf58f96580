import { describe, expect, it } from 'vitest';
import type { Frame } from './frames.ts';
import { type Resume, resumeAfter } from './resume.ts';

const AT: Resume = { cursor: 'e.5', pending: undefined };
const subscribed = (recovered: boolean | null): Frame => ({
  ...{ type: 'subscribed', id: 'a', series: [], cursor: 'e.7', recovered },
});
const range = { start: 0, end: 1, step_ms: null, level: 'raw', complete: true };
const snapshot: Frame = { type: 'snapshot', id: 'a', range, series: [], cursor: 'e.9' };
const data: Frame = { type: 'data', id: 'a', cursor: 'e.8', points: [], dropped: 0 };

describe('what a tail resumes from', () => {
  it.each<[string, readonly Frame[], boolean, string | undefined]>([
    ['a new subscription without a snapshot counts at once', [subscribed(null)], false, 'e.7'],
    ['one with a snapshot counts not before that', [subscribed(null)], true, undefined],
    ['nor does one that was not recovered', [subscribed(false)], true, undefined],
    ['one that was recovered brings no snapshot', [subscribed(true)], true, 'e.7'],
    ['a snapshot counts from its subscription on', [subscribed(false), snapshot], true, 'e.7'],
    ['data moves it on', [subscribed(null), snapshot, data], true, 'e.8'],
    ['other frames do not', [{ type: 'reauthed', expires_at: 1 }], true, 'e.5'],
  ])('%s', (_, frames, wantsSnapshot, cursor) => {
    const end = frames.reduce((resume, frame) => resumeAfter(resume, frame, wantsSnapshot), AT);
    expect(end.cursor).toBe(cursor);
  });
});
