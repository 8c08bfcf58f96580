import { expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { createMetrics } from '../metrics.ts';
import type { InboundMessage } from './message.ts';
import { createOwnPublishing } from './own-publishing.ts';
import { createPace, sharePace } from './pace.ts';

const turn = () => new Promise(setImmediate);

/** A pipeline that commits when it is told to, and says of some tenants that they are to wait. */
function open({ share = 10, waits = new Map<string, Promise<void>>() }) {
  const metrics = createMetrics();
  const whole = createPace({ metrics, what: 'test', messagesMax: 10_000, bytesMax: 1e9 });
  const taken: string[] = [];
  const commits = new Map<string, () => void>();
  const handler = ({ publisher }: InboundMessage, acknowledge: () => void) => {
    const tenant = publisher?.tenant ?? '';
    taken.push(tenant);
    commits.set(tenant, acknowledge);
    return waits.get(tenant);
  };
  const publish = createOwnPublishing(
    {
      ...{ handler, metrics, nowUs: () => 1, log: createLog('silent') },
      shares: sharePace(whole, { messagesMax: share, bytesMax: 1e9 }),
    },
    { publish: () => {} },
  );
  return {
    ...{ taken, whole },
    publish: (tenant: string) =>
      publish(
        { topic: 't', payload: Buffer.from('1'), publisher: { clientId: 'http', tenant } },
        new AbortController().signal,
      ),
    commit: (tenant: string) => commits.get(tenant)?.(),
    rooms: async () =>
      Number(/^tailrace_mqtt_own_rooms_size (\d+)$/m.exec(await metrics.exposition())?.[1]),
  };
}

it('lets a tenant wait alone that is asked to wait', async () => {
  let goOn = () => {};
  const waits = new Map([['over', new Promise<void>((resolve) => (goOn = resolve))]]);
  const { publish, commit, taken, rooms } = open({ waits });
  const first = publish('over');
  await turn();
  const second = publish('over');
  await turn();
  const other = publish('other');
  await turn();
  expect(taken).toEqual(['over', 'other']);
  commit('over');
  commit('other');
  await Promise.all([first, other]);
  expect(await rooms()).toBe(1);
  goOn();
  await turn();
  expect(taken).toEqual(['over', 'other', 'over']);
  commit('over');
  await second;
  await turn();
  expect(await rooms()).toBe(0);
});

it('stays closed for who comes after all have left', async () => {
  let goOn = () => {};
  const waits = new Map([['over', new Promise<void>((resolve) => (goOn = resolve))]]);
  const { publish, commit, taken } = open({ waits });
  const first = publish('over');
  await turn();
  commit('over');
  await first;
  const second = publish('over');
  await turn();
  expect(taken).toEqual(['over']);
  goOn();
  await turn();
  commit('over');
  await second;
});

it('gives each tenant its share of what may be in flight', async () => {
  const { publish, commit, taken, whole } = open({ share: 1 });
  const all = [publish('a'), publish('a'), publish('b')];
  await turn();
  expect(taken).toEqual(['a', 'b']);
  commit('a');
  await turn();
  expect(taken).toEqual(['a', 'b', 'a']);
  commit('a');
  commit('b');
  await Promise.all(all);
  expect(whole.full).toBe(false);
  expect(await whole.drained(0)).toBe(true);
});

it('has rooms for so many tenants, and one for all others', async () => {
  const { publish, commit, taken, rooms } = open({});
  const tenants = Array.from({ length: 1_500 }, (_, i) => `tenant-${i}`);
  const all = tenants.map(publish);
  await turn();
  // Those without a room of their own share one share.
  expect(taken).toHaveLength(1_010);
  expect(await rooms()).toBe(1_001);
  for (let i = 0; i < taken.length; i++) {
    commit(taken[i] as string);
    await turn();
  }
  await Promise.all(all);
  expect(taken).toHaveLength(1_500);
  expect(await rooms()).toBe(0);
});
