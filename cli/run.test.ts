import { expect, it } from 'vitest';
import { endOf } from './run.ts';
import type { IngestParts } from './run-ingest.ts';

const never = new Promise<never>(() => {});
const ingesting = (failed: Promise<unknown>) => ({ ingest: { failed } as IngestParts });

it.each([
  ['ingests', ingesting(never)],
  ['only answers', { ingest: undefined }],
])('a process that %s ends without an error where a signal asks for it', async (_, running) => {
  expect(await endOf(running, Promise.resolve('SIGTERM'))).toEqual({ signal: 'SIGTERM' });
});

it('a process that can ingest no more ends with an error that says why', async () => {
  const end = await endOf(ingesting(Promise.resolve(new Error('a mistake'))), never);
  expect(end).toMatchObject({ error: { code: 'ingest_failed' } });
  expect('error' in end && end.error.message).toContain('a mistake');
});
