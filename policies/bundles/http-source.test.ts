// How often a bundle service is asked: never in a loop, whatever it answers.
import type { ServerResponse } from 'node:http';
import { afterEach, expect, it, test, vi } from 'vitest';
import { type BundleService, startBundleService } from '../../test/bundle-service.ts';
import { createHttpSource } from './http-source.ts';
import type { BundleSource } from './source.ts';

const LONG_POLL_TYPE = 'application/vnd.openpolicyagent.bundles';

let service: BundleService | undefined;

afterEach(async () => {
  vi.useRealTimers();
  await service?.stop();
});

const lookAt = (source: BundleSource, mayWait: boolean) =>
  source.look({ signal: AbortSignal.timeout(10_000), mayWait, anew: false });

test.each<readonly [string, (answered: number) => Record<string, string>]>([
  ['no ETag', () => ({})],
  ['one ETag, and sends all the same', () => ({ etag: '"same"' })],
  ['an ETag that is another each time', (answered) => ({ etag: `"${answered}"` })],
])(
  'a service that says it waits and does not is asked now and then: it gives %s',
  async (_, etagOf) => {
    service = await startBundleService();
    let answered = 0;
    service.answer((_request, response: ServerResponse) => {
      answered += 1;
      response
        .writeHead(200, { 'content-type': LONG_POLL_TYPE, ...etagOf(answered) })
        .end('bundle');
    });
    const source = createHttpSource({ url: service.url });
    for (let looks = 0; looks < 3; looks++) {
      expect(await lookAt(source, true)).toMatchObject({ kind: 'found' });
      expect(source.pauseMs(0)).toBeGreaterThanOrEqual(1_000);
    }
  },
);

it('a service that waits is asked again at once', async () => {
  service = await startBundleService({ longPolls: true });
  service.serve(Buffer.from('one'));
  const source = createHttpSource({ url: service.url });
  await lookAt(source, false);
  expect(await lookAt(source, false)).toEqual({ kind: 'unchanged' });
  expect(source.pauseMs(0)).toBe(0);
  vi.useFakeTimers({ toFake: ['performance'] });
  const waited = lookAt(source, true);
  vi.advanceTimersByTime(1_100);
  service.serve(Buffer.from('two'));
  expect(await waited).toMatchObject({ kind: 'found' });
  expect(source.pauseMs(0)).toBe(0);
});

it('what is wanted anew is sent again', async () => {
  service = await startBundleService();
  service.serve(Buffer.from('one'));
  const source = createHttpSource({ url: service.url });
  await lookAt(source, false);
  const anew = { signal: AbortSignal.timeout(10_000), mayWait: true, anew: true };
  expect(await source.look(anew)).toMatchObject({ kind: 'found' });
  expect(service.requests.at(-1)?.headers['if-none-match']).toBeUndefined();
});
