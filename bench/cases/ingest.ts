// Ingest: mosquitto → subscription → ingester → writer → database, with rollups maintained beside it. Payloads of many
// readings are held against a bare COPY of the same rows, single readings against a bare MQTT subscriber. Publishing
// is done by a process of its own, on the same cores, alike for both halves of a pair that has it.
import { FLUSH_LIMITS } from '../../ingest/flush-rule.ts';
import type { BenchCase, BenchContext, OpenArea } from '../case.ts';
import { costCases } from '../ingest/costs.ts';
import {
  copyAll,
  type IngestPath,
  ingest,
  openPath,
  type Route,
  receiveAll,
  type Shape,
} from '../ingest/path.ts';
import { steadyCases } from '../ingest/steady.ts';

const HOUR_MS = 3_600_000;

/** Starts database, broker, publisher and the whole path between them. */
export async function openIngest(context: BenchContext): Promise<OpenArea> {
  const path = await openPath(context);
  return {
    cases: [
      ...rateCases(path, context.quick),
      ...costCases(path, context.quick),
      ...steadyCases(path, context),
    ],
    versions: { ...path.ground.versions, mosquitto: path.broker.version },
  };
}

/** Share of what COPY alone reaches. */
const BATCHED_MIN = { embedded: 0.7, native: 0.8 } as const;

function rateCases(path: IngestPath, quick: boolean): BenchCase[] {
  const messages = quick ? 2_000 : 10_000;
  const hundred: Omit<Shape, 'form'> = { messages, readingsPerMessage: 100 };
  const single: Shape = {
    form: 'value',
    messages: quick ? 20_000 : 100_000,
    readingsPerMessage: 1,
  };
  const batched = path.ground.database.embedded ? BATCHED_MIN.embedded : BATCHED_MIN.native;
  const againstCopy = (
    name: string,
    shape: Shape,
    route: Route = 'one',
    min?: number,
  ): BenchCase => ({
    name: `ingest/${name}`,
    unit: 'readings/s',
    better: 'more',
    ...(min === undefined ? {} : { target: { kind: 'ratio', min } }),
    run: async () => (await ingest(path, shape, { route })).rate,
    ceiling: {
      name: `sorted binary COPY of as many rows, ${FLUSH_LIMITS.rowsMax} a batch, one connection`,
      run: () => copyAll(path, { form: 'values', messages, readingsPerMessage: 100 }),
    },
  });
  return [
    {
      name: 'ingest/single JSON',
      unit: 'messages/s',
      better: 'more',
      target: { kind: 'ratio', min: 0.8 },
      run: async () => (await ingest(path, single)).rate,
      ceiling: {
        name: 'bare MQTT.js subscriber of the same messages',
        run: async () => (await receiveAll(path, single)).rate,
      },
    },
    againstCopy('MessagePack × 100', { ...hundred, form: 'packed' }, 'one', batched),
    againstCopy('line protocol × 100', { ...hundred, form: 'lines' }, 'one', batched),
    againstCopy('JSON × 100 channels', { ...hundred, form: 'values' }, 'one', batched),
    againstCopy('JSON × 100 points', { ...hundred, form: 'points' }, 'one', batched),
    againstCopy('50 % duplicates', { ...hundred, form: 'packed', repeatAfter: 400 }),
    againstCopy('10 % late', { ...hundred, form: 'packed', lateMs: HOUR_MS }),
    againstCopy('two ingesters', { ...hundred, form: 'packed' }, 'two'),
  ];
}
