// lib/selector: which of a catalogue's series a selector matches.
import { compileSelector, parseSelector, type Selectable } from '../../lib/selector.ts';
import { channelOf } from '../workload.ts';
import type { MicroBench } from './area.ts';

const SERIES = 1_000;

export function selectorBenches(): MicroBench[] {
  const series: Selectable[] = Array.from({ length: SERIES }, (_, index) => ({
    ...channelOf(index),
    labels: { site: index % 2 === 0 ? 'north' : 'south' },
    unit: null,
  }));
  const isRig7 = ({ asset }: Selectable): boolean => asset === 'rig-7';
  const pattern = /^(?:d\/c1.+)$/;
  const isC1 = ({ channel }: Selectable): boolean => pattern.test(channel);
  const equals = compileSelector(parseSelector('{asset="rig-7"}'));
  const matches = compileSelector(parseSelector('{channel=~"d/c1.+"}'));
  const count = (predicate: (one: Selectable) => boolean) => () => series.filter(predicate).length;
  return [
    {
      name: `selector equality over ${SERIES} series`,
      run: count(equals),
      floor: { name: '=== on the member', run: count(isRig7) },
    },
    {
      name: `selector regular expression over ${SERIES} series`,
      run: count(matches),
      floor: { name: 'the same as a JavaScript RegExp', run: count(isC1) },
    },
  ];
}
