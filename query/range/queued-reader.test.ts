import { expect, it } from 'vitest';
import { createMetrics } from '../../lib/metrics.ts';
import type { Claims } from '../../policies/grant.ts';
import type { CostFacts } from '../../store/range/estimate.ts';
import type { RangeRequest } from '../../store/range/range.ts';
import type { RangeReader } from '../../store/range/read.ts';
import { createReadQueue } from './queue.ts';
import { queuedReaders } from './queued-reader.ts';

const FACTS: CostFacts = { rollups: [], pointsPerUs: 0 };
const REQUEST: RangeRequest = {
  ...{ series: [], startUs: 0, endUs: 1 },
  resolution: { kind: 'step', stepMs: 1 },
};

it('counting points for a price waits for its turn as reading does, and what needs none does not', async () => {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const events: string[] = [];
  const reader = {
    ...{ readsMax: 1, rowsMax: 1 },
    async read() {
      events.push('reads');
      await held;
    },
    async costFacts(request: RangeRequest, turn = (work: () => unknown) => work()) {
      events.push('prices');
      if (request.endUs > 1) await turn(async () => events.push('counts'));
      return FACTS;
    },
  } as Pick<RangeReader, 'readsMax' | 'rowsMax'> as RangeReader;
  const queue = createReadQueue({ concurrency: 1, metrics: createMetrics() });
  const queued = queuedReaders(reader, queue)({ tenant: 'acme', sub: 'ann' } as Claims);

  const reading = queued.read(REQUEST);
  const counting = queued.costFacts({ ...REQUEST, endUs: 2 });
  expect(await queued.costFacts(REQUEST)).toBe(FACTS);
  expect(events.toSorted()).toEqual(['prices', 'prices', 'reads']);
  release();
  await Promise.all([reading, counting]);
  expect(events.at(-1)).toBe('counts');
});
