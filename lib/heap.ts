// How V8 paces its collector in a process that answers with hundreds of kilobytes at a time.
import { setFlagsFromString } from 'node:v8';

/**
 * Lets the heap grow to three times what was alive before it is collected as a whole. What an answer is made of lives outside
 * of V8's heap and counts towards it: by V8's own pace, a twentieth more than some 20 MB, every eighth answer waited 10 to
 * 20 ms for a collection (ranges of a day: p95 27 ms, and 12 with this; `npm run bench -- range`). It costs some 50 MB.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=200');
}
