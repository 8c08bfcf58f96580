import { expect, it } from 'vitest';
import { afterConnection, FIRST_CHOICE, versionOf } from './version-choice.ts';

const ENDS = {
  answered: { answered: true, refusesVersion: false, silent: false },
  silent: { answered: false, refusesVersion: false, silent: true },
  refused: { answered: false, refusesVersion: true, silent: false },
  broken: { answered: false, refusesVersion: false, silent: false },
};

it.each<[string, (keyof typeof ENDS)[], (4 | 5)[]]>([
  ['5, where it was let in, whatever comes', ['answered', ...silence(9)], fives(11)],
  [
    '5, while silence is not three times in a row',
    ['silent', 'silent', 'broken', ...silence(2)],
    fives(6),
  ],
  ['5, when silence ends in time', ['silent', 'silent', 'answered', ...silence(9)], fives(13)],
  ['3.1.1 once after three silent ends', silence(4), [5, 5, 5, 4, 5]],
  ['5 again after a fallback that worked', [...silence(3), 'answered'], [5, 5, 5, 4, 5]],
  ['3.1.1 where 5 was refused, for good', ['refused', 'answered', 'silent'], [5, 4, 4, 4]],
  ['3.1.1 where a broker of 5 became one that refuses it', ['answered', 'refused'], [5, 5, 4]],
])('speaks %s', (_, ends, versions) => {
  let choice = FIRST_CHOICE;
  const spoken = [versionOf(choice)];
  for (const end of ends) {
    choice = afterConnection(choice, ENDS[end]);
    spoken.push(versionOf(choice));
  }
  expect(spoken).toEqual(versions);
});

function silence(times: number): 'silent'[] {
  return new Array<'silent'>(times).fill('silent');
}

function fives(times: number): 5[] {
  return new Array<5>(times).fill(5);
}
