// The order of the test files: those that start programs first, since they take longest. A long one that began last would
// leave a core idle at the end. Within each kind, as Vitest orders them.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

function rankOf({ moduleId }: TestSpecification): number {
  if (moduleId.includes('/test/e2e/faults/')) return 0;
  if (moduleId.includes('/test/') || moduleId.includes('/query/page/')) return 1;
  return 2;
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rankOf(a) - rankOf(b));
  }
}
