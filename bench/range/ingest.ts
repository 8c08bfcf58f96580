// Ranges while the whole way from the broker to the database is busy, at half of what COPY alone reaches.
import type { BenchContext } from '../case.ts';
import { copyAll, type IngestPath, ingest, openPath, SERIES, type Shape } from '../ingest/path.ts';
import type { Ground } from '../setup.ts';

const READINGS_PER_MESSAGE = 100;
const PROBE: Shape = { form: 'packed', messages: 1_000, readingsPerMessage: READINGS_PER_MESSAGE };

/** Gives the function that ingests for a while, at an even pace, as the first use of it finds what half is. */
export function halfRateIngest(ground: Ground, context: BenchContext) {
  const seconds = context.quick ? 2 : 10;
  let path: Promise<{ path: IngestPath; messagesPerS: number }> | undefined;

  async function open() {
    context.note('range: what COPY alone reaches');
    const opened = await openPath(context, ground);
    await copyAll(opened, PROBE);
    const copyRate = await copyAll(opened, PROBE);
    const messagesPerS = Math.floor(copyRate / 2 / READINGS_PER_MESSAGE);
    context.note(`range: ${messagesPerS * READINGS_PER_MESSAGE} readings/s beside it`);
    return { path: opened, messagesPerS };
  }

  /** Asks as often as there is time for while readings come in. */
  return async function during<T>(ask: (isOver: () => boolean) => Promise<T>): Promise<T> {
    path ??= open();
    const { path: opened, messagesPerS } = await path;
    // Data time goes by as fast as the clock.
    const stepMs = Math.max(
      1,
      Math.round((SERIES * 1_000) / (messagesPerS * READINGS_PER_MESSAGE)),
    );
    let isOver = false;
    const shape = { ...PROBE, stepMs, messages: messagesPerS * seconds };
    const ingesting = ingest(opened, shape, { messagesPerS }).finally(() => {
      isOver = true;
    });
    const [answered] = await Promise.all([ask(() => isOver), ingesting]);
    return answered;
  };
}
