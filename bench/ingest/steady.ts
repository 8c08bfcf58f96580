// The steady state: not a burst but minutes of it, at half of what COPY reaches, with rollups that have to keep up.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchCase, BenchContext } from '../case.ts';
import { copyAll, type IngestPath, ingest, SERIES, type Shape } from './path.ts';

const MINUTES = 10;
const QUICK_S = 20;
const READINGS_PER_MESSAGE = 100;
/** Packets are encoded before they are sent; so many at a time. */
const STRETCH_S = 20;
const LAG_POLL_MS = 1_000;
const LAG_ALLOWED_S = 60;

interface SteadyRun {
  readonly rate: number;
  readonly copyRate: number;
  readonly lagMaxS: number;
}

/** Two figures of one run: what was kept up, and how far rollups fell behind at worst. */
export function steadyCases(path: IngestPath, context: BenchContext): BenchCase[] {
  let steady: Promise<SteadyRun> | undefined;
  const run = () => {
    steady ??= runSteadily(path, context);
    return steady;
  };
  const minutes = context.quick ? `${QUICK_S} s` : `${MINUTES} min`;
  return [
    {
      name: 'ingest/steady state',
      unit: 'readings/s',
      better: 'more',
      once: true,
      run: async () => (await run()).rate,
      ceiling: {
        name: `sorted binary COPY just before; half of it was offered for ${minutes}`,
        run: async () => (await run()).copyRate,
      },
    },
    {
      name: 'ingest/steady state, refresh lag at worst',
      unit: 's',
      better: 'less',
      once: true,
      target: { kind: 'value', max: LAG_ALLOWED_S },
      run: async () => (await run()).lagMaxS,
      ceiling: { name: 'what is allowed', run: async () => LAG_ALLOWED_S },
    },
  ];
}

async function runSteadily(path: IngestPath, { quick, note }: BenchContext): Promise<SteadyRun> {
  const probe: Shape = {
    form: 'packed',
    messages: 2_000,
    readingsPerMessage: READINGS_PER_MESSAGE,
  };
  await copyAll(path, probe);
  const copyRate = await copyAll(path, probe);
  const messagesPerS = Math.floor(copyRate / 2 / READINGS_PER_MESSAGE);
  const messages = messagesPerS * STRETCH_S;
  // Data time goes by as fast as the clock.
  const stepMs = Math.max(1, Math.round((SERIES * 1000) / (messagesPerS * READINGS_PER_MESSAGE)));
  const stretches = quick ? QUICK_S / STRETCH_S : (MINUTES * 60) / STRETCH_S;
  const watch = watchLag(path);
  const startMs = performance.now();
  const rate = (sent: number) => (sent * 1000) / (performance.now() - startMs);
  let sent = 0;
  try {
    for (let stretch = 0; stretch < stretches; stretch++) {
      await ingest(path, { ...probe, messages, stepMs }, { messagesPerS });
      sent += messages * READINGS_PER_MESSAGE;
      const lagS = watch.worstS().toFixed(1);
      note(`steady state: ${Math.round(rate(sent))} readings/s, lag at worst ${lagS} s`);
    }
  } finally {
    await watch.end();
  }
  return { rate: rate(sent), copyRate, lagMaxS: watch.worstS() };
}

/** Looks each second how far rollups are behind their horizon. */
function watchLag(path: IngestPath) {
  const ending = new AbortController();
  let worstS = 0;
  async function look(): Promise<void> {
    while (!ending.signal.aborted) {
      const account = await path.ingesters('one')[0]?.account();
      worstS = Math.max(worstS, account?.metrics.tailrace_refresh_lag_seconds ?? 0);
      await sleep(LAG_POLL_MS, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }
  const looking = look();
  return {
    worstS: () => worstS,
    async end() {
      ending.abort();
      await looking;
    },
  };
}
