// Two writers and a refresher, stepped in any order, against a model of the database between them: what they decide is
// the program's own code; the database is played with its locks and snapshots.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RollupSlice } from '../sql/statements/mergeRollup.ts';
import { type DirtyMarks, dirtyMarks, GAP_MAX_US } from './dirty-ranges.ts';
import {
  gatherPatches,
  horizonOf,
  planFresh,
  rollupEnd,
  type StalePatch,
  seriesOf,
  staleWindow,
  takeNewest,
  takeOldest,
  takeSlice,
} from './refresh-plan.ts';
import { sortReadings } from './sort-readings.ts';
import { batchOf } from './testing.ts';

const MINUTE = 60_000_000;
const LEVELS = [
  { ordinal: 20, minutes: 1 },
  { ordinal: 30, minutes: 4 },
  { ordinal: 40, minutes: 8 },
];

/** Rules that can be broken, to see that the check would notice. */
type BrokenRule =
  | 'claims without the lock'
  | 'takes back every mark'
  | 'counts claimed marks as cover'
  | 'marks only what was materialised before'
  | 'takes back whole marks';

interface Mark {
  readonly id: string;
  readonly seriesId: number;
  startUs: number;
  endUs: number;
  claimed: boolean;
}

interface Level {
  readonly name: string;
  readonly family: 'm4';
  readonly ordinal: number;
  readonly bucketUs: number;
  readonly refreshableFromUs: number;
  materialisedBeforeUs: number;
  /** What each bucket holds, as text, by series and start. */
  readonly buckets: Map<string, string>;
}

interface Reading {
  readonly id: number;
  /** µs since 1970 UTC. */
  readonly t: number;
  readonly v: number;
}

/** One that takes steps; ends when its work is done. */
type Actor = Generator<void, void, void>;

function createModel(broken?: BrokenRule) {
  const readings = new Map<string, Reading>();
  let marks: Mark[] = [];
  let lateBeforeUs = Number.NEGATIVE_INFINITY;
  let shared = 0;
  let exclusive = false;
  let nextMark = 1;
  const levels: Level[] = LEVELS.map(({ ordinal, minutes }) => ({
    name: `rollup_${minutes}m`,
    family: 'm4',
    ordinal,
    bucketUs: minutes * MINUTE,
    refreshableFromUs: Number.NEGATIVE_INFINITY,
    materialisedBeforeUs: Number.NEGATIVE_INFINITY,
    buckets: new Map(),
  }));

  function* write(rows: readonly Reading[]): Actor {
    while (exclusive) yield;
    shared++;
    try {
      yield;
      const seenLateBeforeUs = lateBeforeUs;
      yield;
      const batch = batchOf(rows);
      const own = marking(dirtyMarks(batch, sortReadings(batch).numbers.rows, seenLateBeforeUs));
      yield;
      // COMMIT
      for (const row of rows) readings.set(`${row.id}@${row.t}`, row);
      for (const grow of own) grow();
    } finally {
      shared--;
    }
  }

  /** What the marking statement will have done once it is committed, by what it sees now. */
  function marking(late: DirtyMarks): (() => void)[] {
    const counts = (mark: Mark) => broken === 'counts claimed marks as cover' || !mark.claimed;
    return late.seriesIds.map((seriesId, i) => {
      const startUs = late.startsUs[i]!;
      const endUs = late.endsUs[i]!;
      if (
        broken === 'marks only what was materialised before' &&
        startUs >= levels[0]!.materialisedBeforeUs
      ) {
        return () => {};
      }
      const near = marks.filter((mark) => counts(mark) && mark.seriesId === seriesId);
      if (near.some((mark) => mark.startUs <= startUs && mark.endUs >= endUs)) return () => {};
      const widened = near.find(
        (mark) => mark.startUs <= endUs + GAP_MAX_US && mark.endUs >= startUs - GAP_MAX_US,
      );
      if (widened === undefined) {
        const id = `${nextMark++}`;
        return () => marks.push({ id, seriesId, startUs, endUs, claimed: false });
      }
      return () => {
        // Another writer may have widened it meanwhile: the row's newest version is what counts.
        widened.startUs = Math.min(widened.startUs, startUs);
        widened.endUs = Math.max(widened.endUs, endUs);
      };
    });
  }

  function* refresh(nowUs: number, sliceBuckets: number, claimsMax: number): Actor {
    const isLocked = broken !== 'claims without the lock';
    while (isLocked && (shared > 0 || exclusive)) yield;
    exclusive = isLocked;
    let claims: Mark[];
    try {
      yield;
      lateBeforeUs = Math.max(lateBeforeUs, horizonOf(nowUs, MINUTE, MINUTE));
      claims = [...marks].sort((a, b) => b.startUs - a.startUs).slice(0, claimsMax);
      for (const mark of claims) mark.claimed = true;
    } finally {
      if (isLocked) exclusive = false;
    }
    const claimedUs = lateBeforeUs;
    // What was read: a mark that another refresher shrinks meanwhile is none of ours.
    const claimed = claims.map((mark) => ({ ...mark }));
    for (const [depth, level] of levels.entries()) {
      yield;
      const input = { rollups: levels, rollup: level, lateBeforeUs: claimedUs, oldestUs: 0 };
      for (let rest = planFresh(input); rest !== undefined; ) {
        const taken = takeOldest(rest, 3, level.bucketUs);
        yield* materialise(depth, { seriesIds: [1, 2], ...taken.window }, sliceBuckets);
        level.materialisedBeforeUs = taken.window.endUs;
        rest = taken.rest;
        yield;
      }
      level.materialisedBeforeUs = rollupEnd(input);
    }
    for (const patch of gatherPatches(claimed, MINUTE)) {
      for (let rest: StalePatch | undefined = patch; rest !== undefined; ) {
        const taken: ReturnType<typeof takeNewest> = takeNewest(rest, 2 * sliceBuckets, MINUTE);
        yield* refreshPiece(taken.piece, sliceBuckets);
        rest = taken.rest;
      }
    }
  }

  function* refreshPiece(piece: StalePatch, sliceBuckets: number): Actor {
    for (const [depth, level] of levels.entries()) {
      const window = staleWindow(piece, level);
      if (window === undefined) continue;
      yield* materialise(depth, { seriesIds: seriesOf(piece), ...window }, sliceBuckets);
    }
    yield;
    const ids = new Set(piece.claims.map(({ id }) => id));
    const cutUs = broken === 'takes back whole marks' ? Number.NEGATIVE_INFINITY : piece.startUs;
    marks = marks.filter(
      (mark) =>
        !(broken === 'takes back every mark' || (ids.has(mark.id) && mark.startUs >= cutUs)),
    );
    for (const mark of marks) if (ids.has(mark.id)) mark.endUs = Math.min(mark.endUs, cutUs);
  }

  /** Slice by slice, each a transaction: what is there is replaced by what the source holds as of a snapshot. */
  function* materialise(depth: number, whole: RollupSlice, sliceBuckets: number): Actor {
    const level = levels[depth]!;
    const left = [whole];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const { slice, rest } = takeSlice(next, sliceBuckets, level.bucketUs);
      left.push(...rest);
      yield;
      const contents: [number, Map<number, string>][] = [];
      for (let at = slice.startUs; at < slice.endUs; at += level.bucketUs) {
        contents.push([at, digests(levels[depth - 1], at, at + level.bucketUs)]);
      }
      yield;
      // COMMIT
      for (const [at, texts] of contents) {
        for (const id of slice.seriesIds) {
          const text = texts.get(id);
          if (text === undefined) level.buckets.delete(`${id}@${at}`);
          else level.buckets.set(`${id}@${at}`, text);
        }
      }
    }
    yield;
  }

  /** What [startUs, endUs) holds in readings or in a rollup, by series. */
  function digests(source: Level | undefined, startUs: number, endUs: number): Map<number, string> {
    const found: [id: number, t: number, text: string][] =
      source === undefined
        ? [...readings.values()].map(({ id, t, v }) => [id, t, `${t}=${v}`])
        : [...source.buckets].map(([key, text]) => {
            const [id, t] = key.split('@').map(Number);
            return [id!, t!, text];
          });
    const texts = new Map<number, string>();
    for (const [id, , text] of found
      .filter(([, t]) => t >= startUs && t < endUs)
      .sort((a, b) => a[1] - b[1])) {
      const before = texts.get(id);
      texts.set(id, before === undefined ? text : `${before} ${text}`);
    }
    return texts;
  }

  /** Every bucket that a reader would take from a rollup and that is not what the readings say. */
  function faults(): string[] {
    return levels.flatMap((level) => {
      const found: string[] = [];
      for (let at = 0; at + level.bucketUs <= level.materialisedBeforeUs; at += level.bucketUs) {
        const raw = digests(undefined, at, at + level.bucketUs);
        for (const id of [1, 2]) {
          const isDirty = marks.some(
            (mark) => mark.seriesId === id && mark.startUs < at + level.bucketUs && mark.endUs > at,
          );
          const held = level.buckets.get(`${id}@${at}`);
          if (!isDirty && held !== raw.get(id)) {
            found.push(`${level.name} of ${id} at ${at / MINUTE}: ${held} is not ${raw.get(id)}`);
          }
        }
      }
      return found;
    });
  }

  return { write, refresh, faults, marks: () => marks };
}

/** Who takes the next step; `time` lets a minute pass, `kill` ends the refresher where it stands. */
type Turn = 'first' | 'second' | 'refresher' | 'time' | 'kill';

const reading = fc.record({
  id: fc.integer({ min: 1, max: 2 }),
  /** Half minutes before the present, or a little after it. */
  age: fc.integer({ min: -2, max: 30 }),
  v: fc.nat(3),
});
const schedule = fc.record({
  turns: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant<Turn>('first') },
      { weight: 3, arbitrary: fc.constant<Turn>('second') },
      { weight: 8, arbitrary: fc.constant<Turn>('refresher') },
      { weight: 2, arbitrary: fc.constant<Turn>('time') },
      { weight: 1, arbitrary: fc.constant<Turn>('kill') },
    ),
    { minLength: 40, maxLength: 160 },
  ),
  batches: fc.array(fc.array(reading, { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 12,
  }),
  sliceBuckets: fc.integer({ min: 1, max: 12 }),
  claimsMax: fc.integer({ min: 1, max: 6 }),
});

type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

/** Plays a schedule; gives the first thing that a reader would have got wrong. */
function play(given: Schedule, broken?: BrokenRule): string | undefined {
  const model = createModel(broken);
  const actors = new Map<Turn, Actor>();
  let nowUs = 20 * MINUTE;
  for (const first = model.refresh(nowUs, 100, 1); !first.next().done; );
  let batch = 0;

  function begin(turn: Turn): Actor {
    if (turn === 'refresher') {
      return model.refresh(nowUs, given.sliceBuckets, given.claimsMax);
    }
    const rows = given.batches[batch++ % given.batches.length]!;
    return model.write(
      rows.map(
        ({ id, age, v }): Reading => ({ id, v, t: Math.max(0, nowUs - age * (MINUTE / 2)) }),
      ),
    );
  }

  for (const turn of given.turns) {
    if (turn === 'time') nowUs += MINUTE;
    else if (turn === 'kill') {
      actors.get('refresher')?.return();
      actors.delete('refresher');
    } else {
      const actor = actors.get(turn) ?? begin(turn);
      if (actor.next().done) actors.delete(turn);
      else actors.set(turn, actor);
    }
    const fault = model.faults()[0];
    if (fault !== undefined) return fault;
  }
  return undefined;
}

describe('two writers and a refresher, step by step in any order', () => {
  it('never let a reader take from a rollup what the readings do not say', () => {
    fc.assert(
      fc.property(schedule, (given) => {
        expect(play(given)).toBeUndefined();
      }),
      { numRuns: 800 },
    );
  });

  it('leave no mark behind once the refresher has run by itself', () => {
    fc.assert(
      fc.property(schedule, ({ batches, sliceBuckets }) => {
        const model = createModel();
        const nowUs = 20 * MINUTE;
        const run = (actor: Actor) => {
          while (!actor.next().done);
        };
        run(model.refresh(nowUs, sliceBuckets, 100));
        for (const rows of batches) {
          run(
            model.write(rows.map(({ id, age, v }) => ({ id, v, t: nowUs - age * (MINUTE / 2) }))),
          );
        }
        run(model.refresh(nowUs + MINUTE, sliceBuckets, 1000));
        expect([model.marks(), model.faults()]).toEqual([[], []]);
      }),
      { numRuns: 300 },
    );
  });

  it.each<BrokenRule>([
    'claims without the lock',
    'takes back every mark',
    'counts claimed marks as cover',
    'marks only what was materialised before',
    'takes back whole marks',
  ])('would be caught by this test where the refresher or a writer %s', (broken) => {
    const result = fc.check(
      fc.property(schedule, (given) => play(given, broken) === undefined),
      { numRuns: 20_000, endOnFailure: true },
    );
    expect(result.failed).toBe(true);
  });
});
