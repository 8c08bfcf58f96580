import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FeedRecord, Position } from './feed.ts';
import { createResumes } from './redis-resume.ts';

const EPOCH = 'e';
const READ_COUNT = 3;

/** A log of records 1 to `newest`, of which the oldest can be trimmed away, as Redis answers from it. */
function logOf(newestOffset: number) {
  const state = { oldest: 1, newest: newestOffset, reads: 0 };
  const recordAt = (offset: number): FeedRecord => ({
    ...{ kind: 'bundle', revision: `${offset}` },
    position: { epoch: EPOCH, offset },
  });
  return {
    state,
    newest: async (): Promise<Position> => ({ epoch: EPOCH, offset: state.newest }),
    async after(offset: number) {
      state.reads += 1;
      const start = Math.max(offset + 1, state.oldest);
      const count = Math.max(0, Math.min(READ_COUNT, state.newest - start + 1));
      return Array.from({ length: count }, (_, i) => recordAt(start + i));
    },
  };
}

const offsetsOf = (records: readonly FeedRecord[]) =>
  records.map(({ position }) => position.offset);

describe('resuming together', () => {
  it('gives each all that came after its position, or nothing where some of it is gone', async () => {
    const trims = fc.array(fc.nat(3), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(
        fc.nat(20),
        fc.array(fc.integer({ min: 0, max: 22 }), { minLength: 1, maxLength: 90 }),
        trims,
        async (newest, sinces, trimmed) => {
          const log = logOf(newest);
          const left = [...trimmed];
          const after = async (offset: number) => {
            const records = await log.after(offset);
            // The writer goes on while it is read.
            log.state.oldest = Math.min(newest + 1, log.state.oldest + (left.shift() ?? 0));
            return records;
          };
          const resumes = createResumes({ after }, log.newest);
          const reads = await Promise.all(
            sinces.map((offset) => resumes.readAfter({ epoch: EPOCH, offset })),
          );
          for (const [i, read] of reads.entries()) {
            const since = sinces[i] ?? 0;
            const due = Array.from({ length: newest - since }, (_, n) => since + 1 + n);
            if (read.recovered) expect(offsetsOf(read.records)).toEqual(due);
            // What was there all the time is never said to be lost.
            else expect(since > newest || since < log.state.oldest - 1).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('reads the log once for many, who need not come at the same moment', async () => {
    const log = logOf(30);
    const resumes = createResumes(log, log.newest);
    const first = resumes.readAfter({ epoch: EPOCH, offset: 0 });
    const others = Array.from({ length: 60 }, (_, offset) =>
      resumes.readAfter({ epoch: EPOCH, offset: offset % 30 }),
    );
    for (const read of await Promise.all([first, ...others])) expect(read.recovered).toBe(true);
    expect(log.state.reads).toBe(20);
  });

  it('reads nothing for those to whom it leads nowhere', async () => {
    const log = logOf(30);
    log.state.oldest = 10;
    const resumes = createResumes(log, log.newest);
    const lost = [
      { epoch: EPOCH, offset: 3 },
      { epoch: 'other', offset: 20 },
    ];
    const reads = await Promise.all(lost.map(resumes.readAfter));
    expect(reads).toEqual(lost.map(() => ({ recovered: false })));
    expect(log.state.reads).toBe(1);
  });

  it('says so where the log does not answer, and goes on when it does', async () => {
    const log = logOf(5);
    let fails = true;
    const after = async (offset: number) => {
      if (fails) throw new Error('away');
      return log.after(offset);
    };
    const resumes = createResumes({ after }, log.newest);
    expect(await resumes.readAfter({ epoch: EPOCH, offset: 2 })).toEqual({ recovered: false });
    fails = false;
    expect(await resumes.readAfter({ epoch: EPOCH, offset: 2 })).toMatchObject({ recovered: true });
  });
});
