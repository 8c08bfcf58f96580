import { describe, expect, it } from 'vitest';
import { type AccessEvent, type AccessState, nextAccessState } from './state.ts';

function stateAfter(...events: AccessEvent[]): AccessState {
  return events.reduce<AccessState>(nextAccessState, { kind: 'opening' });
}

const nobody: AccessEvent = { kind: 'nobody' };
const left: AccessEvent = { kind: 'left' };
const admitted: AccessEvent = { kind: 'admitted' };
const failed: AccessEvent = { kind: 'failed', reason: 'denied' };
const ends: AccessEvent = { kind: 'ends', atMs: 5, reason: 'no renewal' };
const refused: AccessEvent = { kind: 'refused', reason: 'over' };

describe('who the page is', () => {
  it.each<[string, AccessEvent[], AccessState]>([
    ['is nobody at first', [nobody], { kind: 'signed out', reason: '' }],
    ['is somebody with a kept token', [admitted], { kind: 'signed in' }],
    ['goes to the issuer', [nobody, left, admitted], { kind: 'signed in' }],
    ['is told why it was not let in', [left, failed], { kind: 'signed out', reason: 'denied' }],
    [
      'stays who it was when it is not let in anew',
      [admitted, left, failed],
      { kind: 'signed in' },
    ],
    ['stays who it was when a stranger answers', [admitted, failed], { kind: 'signed in' }],
    [
      'stays over when it is not let in anew',
      [admitted, refused, left, failed],
      { kind: 'over', reason: 'denied' },
    ],
    ['leaves once', [nobody, left, left, failed], { kind: 'signed out', reason: 'denied' }],
    [
      'knows its end',
      [admitted, ends],
      { kind: 'signed in', ends: { atMs: 5, reason: 'no renewal' } },
    ],
    ['forgets its end with a newer token', [admitted, ends, admitted], { kind: 'signed in' }],
    ['is over with its last token', [admitted, ends, refused], { kind: 'over', reason: 'over' }],
    [
      'is over once',
      [admitted, refused, { kind: 'refused', reason: 'again' }],
      { kind: 'over', reason: 'over' },
    ],
    ['needs no end once it is over', [admitted, refused, ends], { kind: 'over', reason: 'over' }],
    ['goes on after a late renewal', [admitted, refused, admitted], { kind: 'signed in' }],
  ])('%s', (_sentence, events, state) => {
    expect(stateAfter(...events)).toEqual(state);
  });

  it('refuses what cannot happen', () => {
    expect(() => stateAfter(admitted, nobody)).toThrow('signed in cannot be told nobody');
  });
});
