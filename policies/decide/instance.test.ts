// An instance outlives whatever a decision does to it, and decides in another place what it decided in the first.
import { describe, expect, it } from 'vitest';
import { ALLOWED, fixture } from '../../test/bundles.ts';
import { ENTRYPOINT, readBundle, unpackBundle } from '../bundles/bundle.ts';
import { adoptImage, compileModule, type PolicyImage, runImage, takeImage } from './instance.ts';

const { wasm } = readBundle(unpackBundle(fixture('unsigned.tar.gz')));
const RESULT = [{ result: ALLOWED }];
const UNFIT = { amount: 1n };
const LARGE = { text: 'x'.repeat(2 << 20) };

function imageOf(data: object, pagesMax = 32): PolicyImage {
  return takeImage(compileModule(wasm), Buffer.from(JSON.stringify(data)), pagesMax);
}

const data = { answer: ALLOWED, odd: Array.from({ length: 2_000 }, (_, n) => ({ n, t: `x${n}` })) };

describe('an image', () => {
  it('decides alike wherever it runs, each run by itself', async () => {
    const image = imageOf(data);
    const [one, other] = [runImage(image), await adoptImage(image)];
    expect(() => one(LARGE, ENTRYPOINT)).toThrow();
    for (const run of [one, other, runImage(image)]) {
      expect(run({ action: 'range' }, ENTRYPOINT)).toEqual(RESULT);
    }
  });

  it('is of no more than its data and its program', () => {
    const small = imageOf({ answer: ALLOWED });
    const large = imageOf(data);
    expect(small.memory.byteLength).toBeLessThan(large.memory.byteLength);
    expect(small.dataStart).toBe(large.dataStart);
  });
});

describe('a decision that throws', () => {
  it('leaves behind an instance that decides as before, two hundred times', () => {
    const run = runImage(imageOf(data));
    for (let n = 0; n < 100; n++) {
      expect(() => run(UNFIT, ENTRYPOINT)).toThrow();
      expect(() => run(LARGE, ENTRYPOINT), 'it does not fit into 2 MiB').toThrow();
      expect(run({ action: 'range' }, ENTRYPOINT)).toEqual(RESULT);
    }
  });

  it('fails for an entrypoint that is not there', () => {
    const run = runImage(imageOf(data));
    expect(() => run({}, 'tailrace/other')).toThrow();
    expect(run({}, ENTRYPOINT)).toEqual(RESULT);
  });

  it('may be one whose input is nested beyond all measure', () => {
    const run = runImage(imageOf(data));
    let nested: unknown = 1;
    for (let depth = 0; depth < 5_000; depth++) nested = [nested];
    for (let n = 0; n < 20; n++) {
      try {
        run({ nested }, ENTRYPOINT);
      } catch {
        // Whether this fits onto the stack is the engine's business.
      }
      expect(run({ action: 'range' }, ENTRYPOINT)).toEqual(RESULT);
    }
  });
});

it('memory does not grow from one decision to the next', () => {
  const image = imageOf(data);
  const run = runImage(image);
  const input = { text: 'y'.repeat(100_000) };
  for (let n = 0; n < 300; n++) expect(run(input, ENTRYPOINT)).toEqual(RESULT);
});
