import { describe, expect, it } from 'vitest';
import { nameOf, searchSeries } from './search.ts';
import type { SeriesInfo } from './wire.ts';

const all = [
  'rig-7/drilling/hook_load',
  'rig-7/drilling/bit_depth',
  'rig-7/mud/flow_in',
  'rig-7/mud/standpipe_pressure',
  'pump-2/pressure',
  'pump-10/pressure',
  'pump-2/pressure_2',
  'pump-2/pressure_10',
].map((name, id): SeriesInfo => {
  const slash = name.indexOf('/');
  return {
    id,
    asset: name.slice(0, slash),
    channel: name.slice(slash + 1),
    unit: name.includes('pressure') ? 'bar' : null,
    kind: 'number',
    index: 'time',
    first: null,
    last: null,
  };
});

const found = (text: string, most = 100): string[] =>
  searchSeries(all, text, most).flatMap(({ series }) => series.map(nameOf));

describe('searching series', () => {
  it.each([
    ['hook', ['rig-7/drilling/hook_load']],
    ['HOOK load', ['rig-7/drilling/hook_load']],
    ['rig mud', ['rig-7/mud/flow_in', 'rig-7/mud/standpipe_pressure']],
    ['rig press', ['rig-7/mud/standpipe_pressure']],
    ['depth rig-7', ['rig-7/drilling/bit_depth']],
    ['nothing', []],
  ])('%s', (text, names) => {
    expect(found(text)).toEqual(names);
  });

  it('puts names that begin with the words before those that hold them, and counts as people do', () => {
    expect(found('pressure')).toEqual([
      'pump-10/pressure',
      'pump-2/pressure',
      'pump-2/pressure_2',
      'pump-2/pressure_10',
      'rig-7/mud/standpipe_pressure',
    ]);
  });

  it('finds by unit too', () => {
    expect(found('bar')).toHaveLength(5);
  });

  it('stands by asset, and is no longer than asked for', () => {
    expect(searchSeries(all, '', 100).map(({ asset }) => asset)).toEqual([
      'pump-10',
      'pump-2',
      'rig-7',
    ]);
    expect(found('', 3)).toHaveLength(3);
  });
});
