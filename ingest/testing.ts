// Models of what is below the ingester, for its tests.
import { TailraceError } from '../lib/errors.ts';
import type { ReadingsRecord } from '../lib/feed/feed.ts';
import { createLog } from '../lib/log.ts';
import { createMetrics } from '../lib/metrics.ts';
import type { DeadLetter } from '../store/dead-letters.ts';
import { type ReadingBatch, ROW_OUTCOME, type WriteOutcome } from '../store/readings.ts';
import type { Series, SeriesIdentity, ValueKind } from '../store/series.ts';
import { createIngester, type Ingester, type IngesterOptions } from './ingester.ts';

export const NOW_MS = Date.UTC(2026, 0, 2);
const ingesters: Ingester[] = [];

/** For after each test. */
export async function stopIngesters(): Promise<void> {
  for (const ingester of ingesters.splice(0)) await ingester.stop();
}

/** A table in memory with the writer's rules: the last commit wins, a row flagged DUP never overwrites. */
export function modelTable() {
  const table = new Map<string, number | string>();
  return {
    table,
    write(batch: ReadingBatch): WriteOutcome {
      const count = { inserted: 0, duplicate: 0, corrected: 0 };
      const rowOutcomes = new Uint8Array(batch.rows);
      for (let row = 0; row < batch.rows; row++) {
        const key = `${batch.seriesIds[row]}@${batch.timesUs[row]}`;
        const value = batch.states[row] ?? (batch.values[row] as number);
        const stored = table.get(key);
        const other = batch.dups[row] === 1 ? 'overruled' : 'corrected';
        const met = stored === value ? 'duplicate' : other;
        const became = stored === undefined ? 'inserted' : met;
        count[became === 'overruled' ? 'duplicate' : became]++;
        rowOutcomes[row] = ROW_OUTCOME[became];
        if (became !== 'overruled') table.set(key, value);
      }
      return { ...count, refused: [], rowOutcomes, late: 0 };
    },
  };
}

/** A catalogue in memory; `preset` are the series that another process has created meanwhile. */
export function modelCatalogue(preset: Record<string, ValueKind> = {}, seriesMax = 1_000) {
  const series = new Map<string, Series>();
  const create = (tenant: string, asset: string, channel: string, kind: ValueKind) => {
    const key = `${tenant}/${asset}/${channel}`;
    if (series.has(key)) return;
    const id = series.size + 1;
    series.set(key, { id, tenant, asset, channel, labels: {}, unit: null, kind, index: 'time' });
  };
  return {
    series,
    findByIdentity: ({ tenant, asset, channel }: SeriesIdentity) =>
      series.get(`${tenant}/${asset}/${channel}`),
    async ensure(
      wanted: readonly { tenant: string; asset: string; channel: string; kind: ValueKind }[],
    ) {
      for (const { tenant, asset, channel, kind } of wanted) {
        if (series.size < seriesMax) create(tenant, asset, channel, preset[channel] ?? kind);
      }
      if (series.size >= seriesMax) throw new TailraceError('series_limit', 'as many as may be');
      return [];
    },
  };
}

/** An ingester over models, with a story of what happened in which order. */
export function startModel(options: Partial<IngesterOptions> = {}) {
  const story: string[] = [];
  const letters: DeadLetter[] = [];
  const records: ReadingsRecord[] = [];
  const { table, write } = modelTable();
  const catalogue = modelCatalogue();
  const metrics = createMetrics();
  const ingester = createIngester({
    catalogue,
    writer: {
      async write(batch) {
        story.push(`write ${batch.rows}`);
        return write(batch);
      },
    },
    async insertDeadLetters(batch) {
      story.push(`letters ${batch.length}`);
      letters.push(...batch);
    },
    feed: {
      async append(body) {
        const record = body as ReadingsRecord;
        story.push(`feed ${record.seriesIds.length}`);
        records.push(record);
        return { epoch: 'e', offset: records.length };
      },
    },
    metrics,
    log: createLog('silent'),
    clock: () => NOW_MS,
    drainMaxMs: 5_000,
    ...options,
  });
  ingesters.push(ingester);
  let sent = 0;
  return {
    ingester,
    story,
    letters,
    records,
    table,
    write,
    metrics,
    /** Hands a message over: its acknowledgement comes into the story, `wait` is what the source is asked for. */
    send(topic: string, payload: string, dup = false) {
      const number = sent++;
      const receivedUs = NOW_MS * 1000 + number;
      const message = { topic, payload: Buffer.from(payload), receivedUs, dup };
      return { wait: ingester.handle(message, () => story.push(`ack ${number}`)) };
    },
    async readings(): Promise<Record<string, number>> {
      const text = await metrics.exposition();
      const counts: Record<string, number> = {
        in_flight: Number(/tailrace_ingest_in_flight (\d+)/.exec(text)?.[1]),
      };
      for (const [, outcome, count] of text.matchAll(/readings_total\{outcome="(\w+)"\} (\d+)/g)) {
        counts[outcome as string] = Number(count);
      }
      return counts;
    },
  };
}
