// Which stretches of time have changed behind a reader, and of which series. Bounded: where there are too many, those
// nearest to one another become one, so that more is read again than changed, and never less.

/** Stretches that are kept apart. */
const STRETCHES_MAX = 32;

/** µs since 1970, half-open, and whose points changed in there. */
export interface Stretch {
  readonly startUs: number;
  readonly endUs: number;
  readonly seriesIds: ReadonlySet<number>;
}

export interface Touched {
  /** Notes a change of one series. */
  note(seriesId: number, startUs: number, endUs: number): void;
  /** Takes the oldest stretch out. */
  take(): Stretch | undefined;
  readonly size: number;
}

interface Open extends Stretch {
  readonly seriesIds: Set<number>;
}

/** The smaller set goes into the larger: a copy for each point of thousands of series is all that a process would do. */
function joined(a: Open, b: Open): Open {
  const [small, large] =
    a.seriesIds.size < b.seriesIds.size ? [a.seriesIds, b.seriesIds] : [b.seriesIds, a.seriesIds];
  for (const id of small) large.add(id);
  return {
    startUs: Math.min(a.startUs, b.startUs),
    endUs: Math.max(a.endUs, b.endUs),
    seriesIds: large,
  };
}

/** Makes one that nothing was noted in. */
export function createTouched(): Touched {
  // In order of time, none of them touching the next.
  let stretches: Open[] = [];

  function joinNearest(): void {
    const gapAfter = (i: number) =>
      (stretches[i + 1]?.startUs ?? Number.POSITIVE_INFINITY) - (stretches[i]?.endUs ?? 0);
    let nearest = 0;
    for (let i = 1; i < stretches.length - 1; i += 1) {
      if (gapAfter(i) < gapAfter(nearest)) nearest = i;
    }
    const [a, b] = [stretches[nearest], stretches[nearest + 1]];
    if (a !== undefined && b !== undefined) stretches.splice(nearest, 2, joined(a, b));
  }

  return {
    note(seriesId, startUs, endUs) {
      let noted: Open = { startUs, endUs, seriesIds: new Set([seriesId]) };
      const apart: Open[] = [];
      for (const one of stretches) {
        if (one.endUs < noted.startUs || one.startUs > noted.endUs) apart.push(one);
        else noted = joined(one, noted);
      }
      stretches = [...apart, noted].sort((a, b) => a.startUs - b.startUs);
      if (stretches.length > STRETCHES_MAX) joinNearest();
    },
    take: () => stretches.shift(),
    get size() {
      return stretches.length;
    },
  };
}
