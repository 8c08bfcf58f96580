// Everything that can be measured, in the order in which it runs.
import type { Area } from './case.ts';
import { ingest } from './cases/ingest.ts';
import { range } from './cases/range.ts';
import { micro } from './micro/area.ts';

export const AREAS: readonly Area[] = [ingest, range, micro];
