// ingest/decode: payloads to readings.
import { decodeJson } from '../../ingest/decode/json.ts';
import type { ReadingSink } from '../../ingest/decode/sink.ts';
import { messageOf, type Workload } from '../workload.ts';
import type { MicroBench } from './area.ts';

const START_MS = 1_700_000_000_000;
const CONTEXT = {
  receivedUs: START_MS * 1000,
  defaultTimeUs: START_MS * 1000,
  tenant: 'bench',
  asset: 'rig-0',
};

/** Adds up what it is given, so that nothing can be optimised away. */
function summingSink(): ReadingSink & { readonly sum: () => number } {
  let sum = 0;
  return {
    number(_key, timeUs, value) {
      sum += timeUs + value;
    },
    state() {},
    labelled() {},
    ignored() {},
    fault({ reason }) {
      throw new Error(reason);
    },
    sum: () => sum,
  };
}

export function decodeBenches(): MicroBench[] {
  return (['value', 'values', 'points'] as const).map((form) => {
    const workload: Workload = {
      form,
      messages: 1,
      readingsPerMessage: form === 'value' ? 1 : 100,
      series: 100,
      startMs: START_MS,
      stepMs: 1000,
    };
    const { payload } = messageOf(workload, 0);
    const sink = summingSink();
    return {
      name: `decode ${form} of ${workload.readingsPerMessage}`,
      run() {
        const fault = decodeJson(payload, CONTEXT, sink);
        if (fault !== undefined) throw new Error(fault.reason);
        return sink.sum();
      },
      floor: { name: 'JSON.parse', run: () => JSON.parse(payload.toString('utf8')) as unknown },
    };
  });
}
