import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_VIEW,
  fixed,
  formatView,
  joinPane,
  pan,
  parseView,
  SERIES_MAX,
  seriesOf,
  splitPane,
  toggleSeries,
  type View,
  windowOf,
  zoom,
} from './view.ts';

const NOW_MS = Date.UTC(2026, 10, 22, 7, 30);

const names = fc.uniqueArray(
  fc
    .tuple(fc.stringMatching(/^[^/~]{1,8}$/), fc.stringMatching(/^[^/].{0,11}$/))
    .map(([asset, channel]) => `${asset}/${channel}`),
  { maxLength: 8 },
);
const spans = fc.oneof(
  fc.constantFrom(null, 300_000, 900_000, 604_800_000, 90_000, 1_500).map((spanMs) => ({
    kind: 'live' as const,
    spanMs,
  })),
  fc
    .tuple(fc.integer({ min: 0, max: NOW_MS }), fc.integer({ min: 20, max: 1e10 }))
    .map(([startMs, lengthMs]) => fixed(startMs, startMs + lengthMs)),
);
const views: fc.Arbitrary<View> = fc
  .tuple(names, fc.array(fc.boolean()), spans, fc.constantFrom('system', 'dark', 'light'))
  .map(([all, joins, span, theme]) => {
    const panes: string[][] = [];
    all.forEach((name, index) => {
      const above = panes.at(-1);
      if (joins[index] && above !== undefined) above.push(name);
      else panes.push([name]);
    });
    return { panes, span, theme: theme as View['theme'] };
  });

describe('the address holds the view', () => {
  it('whatever is on the screen: written and read again it is the same', () => {
    fc.assert(
      fc.property(views, (view) => {
        expect(parseView(formatView(view))).toEqual(view);
      }),
    );
  });

  it('so that it can be read', () => {
    const view = parseView('s=rig-7/mud/spp&s=~rig-7/mud/flow&live=6h&theme=dark');
    expect(view.panes).toEqual([['rig-7/mud/spp', 'rig-7/mud/flow']]);
    expect(formatView(view)).toBe('s=rig-7/mud/spp&s=~rig-7/mud/flow&live=6h&theme=dark');
    const still = parseView('start=2026-11-22T06:00:00Z&end=2026-11-22T07:00:00Z');
    expect(formatView(still)).toBe('start=2026-11-22T06:00:00Z&end=2026-11-22T07:00:00Z');
  });

  it.each([
    ['live=tomorrow'],
    ['live=0m'],
    ['live=99999999999d'],
    ['start=2026-11-22T07:00:00Z&end=2026-11-22T06:00:00Z'],
    ['start=never&end=2026-11-22T06:00:00Z'],
    ['s=no-channel&s=&s=/x'],
    ['theme=pink'],
  ])('and takes nothing wrong from it: %s', (query) => {
    expect(parseView(query)).toEqual(DEFAULT_VIEW);
  });

  it('of at most as many series as a chart can show', () => {
    const query = Array.from({ length: 100 }, (_, index) => `s=a/${index}`).join('&');
    expect(seriesOf(parseView(query))).toHaveLength(SERIES_MAX);
  });
});

describe('panes', () => {
  const view: View = { ...DEFAULT_VIEW, panes: [['a/1'], ['a/2', 'a/3']] };

  it('get a series of their own, share one, and go with their last', () => {
    expect(toggleSeries(view, 'b/1').panes).toEqual([['a/1'], ['a/2', 'a/3'], ['b/1']]);
    expect(toggleSeries(view, 'b/1', 0).panes).toEqual([
      ['a/1', 'b/1'],
      ['a/2', 'a/3'],
    ]);
    expect(toggleSeries(view, 'a/1').panes).toEqual([['a/2', 'a/3']]);
    expect(toggleSeries(view, 'a/2').panes).toEqual([['a/1'], ['a/3']]);
  });

  it('join and split', () => {
    expect(joinPane(view, 1).panes).toEqual([['a/1', 'a/2', 'a/3']]);
    expect(splitPane(view, 1).panes).toEqual([['a/1'], ['a/2'], ['a/3']]);
    expect(joinPane(view, 0)).toBe(view);
  });
});

describe('the window', () => {
  it('of a live span ends now; all begins with the oldest reading', () => {
    const hour = windowOf({ kind: 'live', spanMs: 3_600_000 }, NOW_MS, undefined);
    expect(hour).toEqual({ startMs: NOW_MS - 3_600_000, endMs: NOW_MS });
    const all = windowOf({ kind: 'live', spanMs: null }, NOW_MS, NOW_MS - 5_000);
    expect(all).toEqual({ startMs: NOW_MS - 5_000, endMs: NOW_MS });
  });

  it('keeps its length when it moves, and hardly enters the future', () => {
    const window = { startMs: NOW_MS - 1_000_000, endMs: NOW_MS };
    expect(pan(window, -0.5, NOW_MS)).toEqual(fixed(NOW_MS - 1_500_000, NOW_MS - 500_000));
    expect(pan(window, 5, NOW_MS)).toEqual(fixed(NOW_MS - 900_000, NOW_MS + 100_000));
  });

  it('zooms about a time, which stays where it is', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(0.5, 2),
        (part, factor) => {
          const window = { startMs: NOW_MS - 20_000_000, endMs: NOW_MS - 10_000_000 };
          const aboutMs = window.startMs + part * 10_000_000;
          const span = zoom(window, factor, aboutMs, NOW_MS);
          if (span.kind !== 'fixed') throw new Error('a zoomed window stands still');
          const lengthMs = span.endMs - span.startMs;
          expect(Math.abs((aboutMs - span.startMs) / lengthMs - part)).toBeLessThan(1e-5);
        },
      ),
    );
  });

  it('is never too short to draw', () => {
    const span = fixed(NOW_MS, NOW_MS);
    expect(span.kind === 'fixed' && span.endMs - span.startMs).toBe(20);
  });
});
