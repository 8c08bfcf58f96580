// sql/copy-binary: columns to PostgreSQL's binary COPY format.
import { type CopyColumns, encodeReadings } from '../../sql/copy-binary.ts';
import type { MicroBench } from './area.ts';

const ROWS = 2_000;

export function copyBinaryBenches(): MicroBench[] {
  const columns: CopyColumns = {
    seriesIds: Int32Array.from({ length: ROWS }, (_, row) => row % 100),
    timesUs: Float64Array.from({ length: ROWS }, (_, row) => 1.7e15 + row * 1_000),
    values: Float64Array.from({ length: ROWS }, (_, row) => Math.sin(row)),
    states: [],
    qualities: new Int16Array(ROWS),
  };
  const rows = Int32Array.from({ length: ROWS }, (_, row) => row);
  const scratch = new DataView(new ArrayBuffer(ROWS * 22));
  return [
    {
      name: `copy-binary ${ROWS} rows`,
      run: () => encodeReadings(columns, rows),
      floor: {
        name: 'the values alone through a DataView',
        run: () => writeValues(columns, scratch),
      },
    },
  ];
}

/** 22 bytes a row: what carries information, without counts and lengths. */
function writeValues(columns: CopyColumns, view: DataView): void {
  for (let row = 0; row < ROWS; row++) {
    const at = row * 22;
    view.setInt32(at, columns.seriesIds[row]!);
    view.setFloat64(at + 4, columns.timesUs[row]!);
    view.setFloat64(at + 12, columns.values[row]!);
    view.setInt16(at + 20, columns.qualities[row]!);
  }
}
