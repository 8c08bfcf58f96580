// Recorded series, as a function of the present: a recording runs in a loop that is anchored at a fixed date, so every
// run of the demo gives the same reading for the same instant, and a second run continues where the first one stopped.
import { readFileSync } from 'node:fs';

/** A reading with its time moved to the present. */
export interface ReplayedRow {
  readonly timeMs: number;
  /** By channel. */
  readonly values: Readonly<Record<string, number>>;
}

/** Rows in the order of the file; times are those of the recording. */
export interface Recording {
  readonly rows: readonly ReplayedRow[];
  /** From the first row of one turn of the loop to the first row of the next. */
  readonly periodMs: number;
  /** By channel, where the file says so. */
  readonly units: Readonly<Record<string, string>>;
}

/** Where every loop begins: any date before the demo's first run would do. */
const ANCHOR_MS = Date.UTC(2026, 0, 1);

/**
 * The rows of `recording`, replayed `speed` times faster, that fall into [fromMs, toMs), in the order of the file
 * within each turn. Times may repeat or go back where the recording's clock did.
 */
export function replayBetween(
  recording: Recording,
  speed: number,
  fromMs: number,
  toMs: number,
): ReplayedRow[] {
  const first = recording.rows[0];
  if (first === undefined || toMs <= fromMs) return [];
  const turnMs = recording.periodMs / speed;
  const found: ReplayedRow[] = [];
  for (let turn = Math.floor((fromMs - ANCHOR_MS) / turnMs); ; turn++) {
    const beganMs = ANCHOR_MS + turn * turnMs;
    if (beganMs >= toMs) return found;
    for (const row of recording.rows) {
      const timeMs = Math.round(beganMs + (row.timeMs - first.timeMs) / speed);
      if (timeMs >= fromMs && timeMs < toMs) found.push({ timeMs, values: row.values });
    }
  }
}

/** Reads a NAB file: a header, then `2014-02-14 14:27:00,51.8` without a zone, taken as UTC. */
function parseNab(text: string, channel: string, unit?: string): Recording {
  const rows: ReplayedRow[] = [];
  for (const line of text.split('\n').slice(1)) {
    const [time, value] = line.trim().split(',');
    if (time === undefined || value === undefined) continue;
    const row = {
      timeMs: Date.parse(`${time.replace(' ', 'T')}Z`),
      values: { [channel]: Number(value) },
    };
    rows.push(row);
  }
  return { rows, periodMs: periodOf(rows), units: unit === undefined ? {} : { [channel]: unit } };
}

/**
 * Reads the log data of a WITSML 1.4.1.1 time log: mnemonics, units and rows, null values left out. It is made for the
 * bundled file, whose tags have no attributes and no entities here, and takes no other; reading WITSML is another
 * folder's work.
 */
function parseTimeLog(xml: string): Recording {
  const textOf = (tag: string): string =>
    new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1] ?? '';
  const mnemonics = textOf('mnemonicList').split(',');
  const unitList = textOf('unitList').split(',');
  const nullValue = Number(textOf('nullValue'));
  const units: Record<string, string> = {};
  mnemonics.forEach((mnemonic, column) => {
    const unit = unitList[column];
    if (column > 0 && unit !== undefined && unit !== 'unitless') units[mnemonic] = unit;
  });
  const rows: ReplayedRow[] = [];
  for (const [, line = ''] of xml.matchAll(/<data>([^<]*)<\/data>/g)) {
    const [time = '', ...cells] = line.split(',');
    const values: Record<string, number> = {};
    cells.forEach((cell, index) => {
      const mnemonic = mnemonics[index + 1];
      if (mnemonic !== undefined && cell !== '' && Number(cell) !== nullValue)
        values[mnemonic] = Number(cell);
    });
    rows.push({ timeMs: Date.parse(time), values });
  }
  return { rows, periodMs: periodOf(rows), units };
}

/** The bundled recordings. */
export function readRecordings(): Record<'temperature' | 'cpu' | 'timeLog', Recording> {
  const read = (name: string): string =>
    readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
  return {
    temperature: parseNab(read('machine_temperature_system_failure.csv'), 'machine_temperature'),
    cpu: parseNab(read('ec2_cpu_utilization_5f5533.csv'), 'ec2_cpu', '%'),
    timeLog: parseTimeLog(read('log1411Time.xml')),
  };
}

/** The span of the rows and one more step, which is the first one's. */
function periodOf(rows: readonly ReplayedRow[]): number {
  const [first, second] = rows;
  const last = rows.at(-1);
  if (first === undefined || second === undefined || last === undefined) return 1;
  return last.timeMs - first.timeMs + (second.timeMs - first.timeMs);
}
