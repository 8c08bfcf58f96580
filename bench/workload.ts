// The readings that ingest cases send: what a message holds, and the rows that it becomes, from one description, so
// that the path through the broker and the bare COPY write the same values.
import { pack } from 'msgpackr';

/** A run's messages. All processes make the same ones from it. */
export interface Workload {
  /**
   * `value`: one reading a message, `{"ts","value"}`. `values`: one reading of each of an asset's channels at one
   * time, `{"ts","values":{…}}`; `packed` the same in MessagePack, `lines` in line protocol, a line a reading.
   * `points`: consecutive readings of one channel, `[{"ts","value"},…]`.
   */
  readonly form: 'value' | 'values' | 'packed' | 'lines' | 'points';
  readonly messages: number;
  /** `TENANT` unless given. */
  readonly tenant?: string;
  /** Every second message is one that was sent about so many messages before: an even number. */
  readonly repeatAfter?: number;
  /** Every tenth message is so late, in ms. */
  readonly lateMs?: number;
  /** 1 for `value`. */
  readonly readingsPerMessage: number;
  readonly series: number;
  /** Time of each series' first reading, and from one reading of a series to its next, in ms. */
  readonly startMs: number;
  readonly stepMs: number;
}

/** The tenant of everything that is measured, where nothing else is said. */
export const TENANT = 'bench';
const CHANNELS_PER_ASSET = 100;

export interface WorkloadRows {
  readonly rows: number;
  /** Index of the series, 0 up; `channelOf` names it. */
  readonly series: Int32Array;
  readonly timesMs: Float64Array;
  readonly values: Float64Array;
}

/** Readings that are sent. */
export function readingsOf(workload: Workload): number {
  return workload.messages * workload.readingsPerMessage;
}

/** Readings that are left when each stands in the table once. */
export function distinctReadingsOf(workload: Workload): number {
  const { messages, readingsPerMessage, repeatAfter } = workload;
  return (repeatAfter === undefined ? messages : Math.ceil(messages / 2)) * readingsPerMessage;
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
  const { form, readingsPerMessage, stepMs } = workload;
  const isGroup = form === 'values' || form === 'packed' || form === 'lines';
  const groups = isGroup ? workload.series / readingsPerMessage : workload.series;
  const sent = originalOf(workload, message);
  const group = sent % groups;
  const round = Math.floor(sent / groups);
  const isLate = workload.lateMs !== undefined && sent % 10 === 9;
  const startMs = workload.startMs - (isLate ? (workload.lateMs ?? 0) : 0);
  for (let reading = 0; reading < readingsPerMessage; reading++) {
    const series = isGroup ? group * readingsPerMessage + reading : group;
    const index = form === 'points' ? round * readingsPerMessage + reading : round;
    yield { series, timeMs: startMs + index * stepMs, value: valueAt(series, index) };
  }
}

/** The message that a message repeats, or itself. Only messages of even numbers are originals where some repeat. */
function originalOf({ repeatAfter }: Workload, message: number): number {
  if (repeatAfter === undefined || message % 2 === 0) return message;
  const original = message - 1 - repeatAfter;
  return original < 0 ? message - 1 : original;
}

/** Topic, below the root that it is published under, and payload of a message. */
export function messageOf(workload: Workload, message: number): { topic: string; payload: Buffer } {
  const rows = [...rowsOfMessage(workload, message)];
  const first = rows[0];
  if (first === undefined) throw new RangeError('a message of no readings');
  const { asset, channel } = channelOf(first.series);
  const { form, tenant = TENANT } = workload;
  const name = ({ series }: { series: number }) => `c${series % CHANNELS_PER_ASSET}`;
  switch (form) {
    case 'values':
    case 'packed': {
      const body = {
        ts: first.timeMs,
        values: Object.fromEntries(rows.map((row) => [name(row), row.value])),
      };
      const payload = form === 'packed' ? pack(body) : Buffer.from(JSON.stringify(body));
      return { topic: `${tenant}/${asset}/d`, payload };
    }
    case 'lines': {
      // A topic that names no channel: the line's measurement and field do.
      const lines = rows.map((row) => `d ${name(row)}=${row.value} ${row.timeMs}000000`);
      return { topic: `${tenant}/${asset}/_`, payload: Buffer.from(lines.join('\n')) };
    }
    default: {
      const points = rows.map((row) => `{"ts":${row.timeMs},"value":${row.value}}`);
      const payload = form === 'points' ? `[${points.join(',')}]` : (points[0] ?? '');
      return { topic: `${tenant}/${asset}/${channel}`, payload: Buffer.from(payload) };
    }
  }
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
