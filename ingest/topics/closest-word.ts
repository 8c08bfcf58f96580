// What somebody may have meant who wrote a word that is not known.

/** More letters apart than this is another word. */
const DISTANCE_MAX = 2;

/** The word of `known` that is nearest to the given one, if any is near. */
export function closestWord(given: string, known: readonly string[]): string | undefined {
  const plain = given.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let least = DISTANCE_MAX + 1;
  for (const word of known) {
    const other = word.toLowerCase();
    if (Math.abs(other.length - plain.length) >= least) continue;
    const distance = editDistance(plain, other);
    // Of a short word two letters are all.
    if (distance >= least || distance * 2 >= word.length) continue;
    best = word;
    least = distance;
  }
  return best;
}

/** Letters to add, leave out or change (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
