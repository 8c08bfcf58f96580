// A range's answer as a schema: what the OpenAPI page says of it, and what a test holds real answers against.
import { z } from 'zod';

const timeMs = z.number().describe('ms since 1970 UTC, with a fraction where it is finer');
const times = z.array(timeMs.nullable());
const values = z.array(z.union([z.number(), z.string(), z.null()]));
const numbers = z.array(z.number().nullable());

const series = z.strictObject({
  id: z.int(),
  asset: z.string(),
  channel: z.string(),
  labels: z.record(z.string(), z.string()),
  unit: z.string().nullable(),
  t: z.array(timeMs).optional().describe('start of each bucket, or time of each raw point'),
  v: values.optional().describe('raw points only, as the next one'),
  q: z.array(z.int()).optional().describe('quality; left out where all are good'),
  ...{ first: values.optional(), t_first: times.optional() },
  ...{ last: values.optional(), t_last: times.optional() },
  ...{ min: numbers.optional(), t_min: times.optional() },
  ...{ max: numbers.optional(), t_max: times.optional() },
  ...{ mean: values.optional(), sum: values.optional() },
  ...{ count: values.optional(), stddev: values.optional() },
  ...{ p50: values.optional(), p90: values.optional() },
  ...{ p95: values.optional(), p99: values.optional() },
  ...{ twa: values.optional(), twa_step: values.optional() },
  ...{ rate: values.optional(), delta: values.optional() },
  time_in_state: z.array(z.record(z.string(), z.number()).nullable()).optional(),
  value: z.array(z.string()).optional().describe('of intervals, as the next two'),
  start: z.array(timeMs).optional(),
  end: z.array(timeMs).optional(),
});

const obligations = z.strictObject({
  finest_step_ms: z.number().optional(),
  lookback_ms: z.number().optional(),
  delay_ms: z.number().optional(),
  max_points: z.number().optional(),
  max_series: z.number().optional(),
  max_rate_hz: z.number().optional(),
  redact: z.array(z.string()).optional(),
});

const plan = z.strictObject({
  families: z.array(
    z.strictObject({
      family: z.enum(['m4', 'path', 'sketch', 'raw', 'states']),
      segments: z.array(
        z.strictObject({
          ...{ level: z.string(), start: timeMs, end: timeMs },
          ...{ estimated_rows: z.number(), rows: z.number() },
        }),
      ),
    }),
  ),
  sql: z.array(z.string()),
});

/** `GET /v1/range` as JSON; MessagePack has the same members. */
export const RANGE_ANSWER = z.object({
  range: z
    .strictObject({
      start: timeMs,
      end: timeMs,
      step_ms: z.number().nullable(),
      level: z.string().describe('the coarsest that served it; raw for points as they are'),
      segments: z.array(z.strictObject({ level: z.string(), start: timeMs, end: timeMs })),
      complete: z.boolean(),
    })
    .describe('the domain really served'),
  series: z.array(series),
  cursor: z.string().describe('where a tail goes on from without a gap'),
  next: z.string().optional().describe('`page` of the next raw points'),
  plan: plan.optional().describe('how it was read, with `explain=1`'),
  policy: z.strictObject({ revision: z.string(), decision_id: z.string(), obligations }),
});
