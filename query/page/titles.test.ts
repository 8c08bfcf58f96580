import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutInTwo, splitName, titlesOf } from './titles.ts';

const shown = (...panes: string[][]) =>
  titlesOf(panes).map((pane) =>
    pane.map(({ asset, text }) => (asset === undefined ? text : `${asset}: ${text}`)).join(' + '),
  );

describe('titles of charted series', () => {
  it.each([
    {
      title: 'the last part of a channel is enough where no other ends so',
      panes: [['rig/drilling/hook_load'], ['rig/drilling/rpm']],
      wanted: ['rig: hook load', 'rpm'],
    },
    {
      title: 'as many parts as tell channels apart',
      panes: [['rig/mud/flow/in'], ['rig/mud/level/in'], ['rig/mud/level/out']],
      wanted: ['rig: flow/in', 'level/in', 'out'],
    },
    {
      title: 'assets in front of each pane where they differ',
      panes: [['a/flow/in'], ['b/flow/in'], ['b/flow/out']],
      wanted: ['a: in', 'b: in', 'b: out'],
    },
    {
      title: 'an asset once for neighbours in a pane',
      panes: [['a/flow', 'a/level', 'b/flow'], ['b/level']],
      wanted: ['a: flow + level + b: flow', 'b: level'],
    },
    {
      title: 'a last part that says nothing does not stand alone',
      panes: [['a/flow/value'], ['a/value']],
      wanted: ['a: flow/value', 'value'],
    },
    {
      title: 'a channel that ends as another one is called',
      panes: [['a/flow'], ['a/mud/flow']],
      wanted: ['a: flow', 'mud/flow'],
    },
    {
      title: 'underscores where spaces would make two channels read the same',
      panes: [['a/flow_in'], ['a/flow in']],
      wanted: ['a: flow_in', 'flow in'],
    },
    { title: 'nothing of nothing', panes: [], wanted: [] },
  ])('$title', ({ panes, wanted }) => {
    expect(shown(...panes)).toEqual(wanted);
  });

  const part = fc.constantFrom('a', 'b', 'flow', 'value', 'flow_in', 'flow in', 'V');
  const name = fc.array(part, { minLength: 2, maxLength: 5 }).map((parts) => parts.join('/'));
  const panesOf = fc
    .uniqueArray(fc.tuple(name, fc.boolean()), { selector: ([one]) => one, maxLength: 24 })
    .map((names) => {
      const panes: string[][] = [];
      for (const [one, joins] of names) {
        const above = panes.at(-1);
        if (joins && above !== undefined) above.push(one);
        else panes.push([one]);
      }
      return panes;
    });

  it('no two read the same, with the asset that stands at or above them', () => {
    fc.assert(
      fc.property(panesOf, (panes) => {
        let asset: string | undefined;
        const read = titlesOf(panes)
          .flat()
          .map((title) => {
            asset = title.asset ?? asset;
            return `${asset}: ${title.text}`;
          });
        expect(new Set(read).size).toBe(panes.flat().length);
        const spoken = titlesOf(panes).flatMap((pane) => pane.map((title) => title.spoken));
        expect(new Set(spoken).size).toBe(panes.flat().length);
      }),
    );
  });

  it('are ends of their channels, under their own assets, in the order of the panes', () => {
    fc.assert(
      fc.property(panesOf, (panes) => {
        const titles = titlesOf(panes);
        expect(titles.map((pane) => pane.map((title) => title.name))).toEqual(panes);
        let above: string | undefined;
        for (const { name: whole, asset, text } of titles.flat()) {
          const { asset: own, channel } = splitName(whole);
          above = asset ?? above;
          expect(above).toBe(own);
          const plain = (one: string) => one.replaceAll('_', ' ');
          expect(`/${plain(channel)}`.endsWith(`/${plain(text)}`)).toBe(true);
        }
      }),
    );
  });

  it('a shorter end would be that of another channel, or say nothing', () => {
    fc.assert(
      fc.property(panesOf, (panes) => {
        const channels = new Set(panes.flat().map((one) => splitName(one).channel));
        for (const { name: whole, text } of titlesOf(panes).flat()) {
          const { channel } = splitName(whole);
          const shorter = channel.split('/').slice(1 - text.split('/').length);
          if (text.split('/').length === 1) continue;
          const end = shorter.join('/');
          const others = [...channels].filter((other) => other !== channel);
          const isTaken = others.some((other) => `/${other}`.endsWith(`/${end}`));
          expect(isTaken || /^(value|v)$/i.test(end)).toBe(true);
        }
      }),
    );
  });
});

describe('a name in two pieces', () => {
  it.each([
    ['hook load', ['hook load', '']],
    ['standpipe pressure', ['standpipe ', 'pressure']],
    ['level-transmitter-redundant-a/value', ['level-transmitter-redundant-', 'a/value']],
    ['machine temperature', ['machine ', 'temperature']],
  ])('%s', (whole, pieces) => {
    expect(cutInTwo(whole)).toEqual(pieces);
  });

  it('is the whole name, and its second piece fits a narrow column', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (whole) => {
        const [head, tail] = cutInTwo(whole);
        expect(head + tail).toBe(whole);
        expect(Array.from(tail).length).toBeLessThanOrEqual(12);
      }),
    );
  });
});
