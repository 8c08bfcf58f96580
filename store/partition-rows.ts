// Which lane of the writer each row of a batch belongs to. Pure.
//
// A series is pinned to a lane by its id, so that what was received last is committed last, and two lanes never meet in
// one key.

/** The rows of each lane in receipt order. Nothing is copied where there is one lane. */
export function partitionRows(
  seriesIds: Int32Array,
  rows: number,
  lanes: number,
): readonly Int32Array[] {
  const order = new Int32Array(rows);
  if (lanes === 1) {
    for (let row = 0; row < rows; row++) order[row] = row;
    return [order];
  }
  // A counting sort: where each lane's rows begin, then each row to its place.
  const next = new Int32Array(lanes + 1);
  for (let row = 0; row < rows; row++) next[(seriesIds[row]! % lanes) + 1]!++;
  for (let lane = 0; lane < lanes; lane++) next[lane + 1]! += next[lane]!;
  const starts = next.slice();
  for (let row = 0; row < rows; row++) order[next[seriesIds[row]! % lanes]!++] = row;
  return Array.from({ length: lanes }, (_, lane) => order.subarray(starts[lane], starts[lane + 1]));
}
