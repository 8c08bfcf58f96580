// The readings that ingest cases send: what a message holds, and the rows that it becomes, from one description, so
// that the path through the broker and the bare COPY write the same values.

/** A run's messages. All processes make the same ones from it. */
export interface Workload {
  /**
   * `value`: one reading a message, `{"ts","value"}`. `values`: one reading of each of an asset's channels at one
   * time, `{"ts","values":{…}}`. `points`: consecutive readings of one channel, `[{"ts","value"},…]`.
   */
  readonly form: 'value' | 'values' | 'points';
  readonly messages: number;
  /** 1 for `value`. */
  readonly readingsPerMessage: number;
  readonly series: number;
  /** Time of each series' first reading, and from one reading of a series to its next, in ms. */
  readonly startMs: number;
  readonly stepMs: number;
}

/** The tenant of everything that is measured. */
export const TENANT = 'bench';
const CHANNELS_PER_ASSET = 100;

export interface WorkloadRows {
  readonly rows: number;
  /** Index of the series, 0 up; `channelOf` names it. */
  readonly series: Int32Array;
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

export function readingsOf(workload: Workload): number {
  return workload.messages * workload.readingsPerMessage;
}

/** Milliseconds from the first reading of a series to the one after its last: where the next run may start. */
export function durationMs(workload: Workload): number {
  return Math.ceil(readingsOf(workload) / workload.series) * workload.stepMs;
}

/** Asset and channel of a series, by its index. */
export function channelOf(series: number): { asset: string; channel: string } {
  const asset = Math.floor(series / CHANNELS_PER_ASSET);
  return { asset: `rig-${asset}`, channel: `d/c${series % CHANNELS_PER_ASSET}` };
}

/** A smooth signal with three decimals, as a device prints it. */
function valueAt(series: number, index: number): number {
  return Math.round(1e3 * (100 + series / 10 + 20 * Math.sin(index / 50 + series))) / 1e3;
}

/** The rows of one message, in the order in which its payload has them. */
function* rowsOfMessage(
  workload: Workload,
  message: number,
): Generator<{ series: number; timeMs: number; value: number }> {
  const { form, readingsPerMessage, startMs, stepMs } = workload;
  const groups = form === 'values' ? workload.series / readingsPerMessage : workload.series;
  const group = message % groups;
  const round = Math.floor(message / groups);
  for (let reading = 0; reading < readingsPerMessage; reading++) {
    const series = form === 'values' ? group * readingsPerMessage + reading : group;
    const index = form === 'points' ? round * readingsPerMessage + reading : round;
    yield { series, timeMs: startMs + index * stepMs, value: valueAt(series, index) };
  }
}

/** Topic, below the root that it is published under, and payload of a message. */
export function messageOf(workload: Workload, message: number): { topic: string; payload: string } {
  const rows = [...rowsOfMessage(workload, message)];
  const first = rows[0];
  if (first === undefined) throw new RangeError('a message of no readings');
  const { asset, channel } = channelOf(first.series);
  if (workload.form === 'values') {
    const members = rows.map((row) => `"c${row.series % CHANNELS_PER_ASSET}":${row.value}`);
    const payload = `{"ts":${first.timeMs},"values":{${members.join(',')}}}`;
    return { topic: `${TENANT}/${asset}/d`, payload };
  }
  const points = rows.map((row) => `{"ts":${row.timeMs},"value":${row.value}}`);
  const payload = workload.form === 'points' ? `[${points.join(',')}]` : (points[0] ?? '');
  return { topic: `${TENANT}/${asset}/${channel}`, payload };
}

/** All rows in the order of the messages. */
export function rowsOf(workload: Workload): WorkloadRows {
  const rows = readingsOf(workload);
  const series = new Int32Array(rows);
  const timesMs = new Float64Array(rows);
  const values = new Float64Array(rows);
  let at = 0;
  for (let message = 0; message < workload.messages; message++) {
    for (const row of rowsOfMessage(workload, message)) {
      series[at] = row.series;
      timesMs[at] = row.timeMs;
      values[at] = row.value;
      at++;
    }
  }
  return { rows, series, timesMs, values };
}
