// A cursor that lies before a gap in the feed leads nowhere: what the gap stands for was in no record.
import { expect, it, onTestFinished } from 'vitest';
import { startTailServer } from '../../test/tail-server.ts';

it('says that it could not go on over a gap, and sends the snapshot', async () => {
  const { server, time, connect, stop } = await startTailServer();
  onTestFinished(() => stop());
  const bearer = await server.token();
  const first = await connect(bearer);
  const snapshot = { start: new Date(time.nowMs - 3_600_000).toISOString(), points: 'raw' };
  const frame = { type: 'subscribe', id: 'a', series: ['rig-1/spp'], snapshot };
  first.send(frame);
  const { cursor } = await first.next('subscribed');
  first.socket.close();
  await first.closed;
  await server.feed.append({ kind: 'gap' });
  const second = await connect(bearer);
  second.send({ ...frame, since: cursor });
  const lost = await second.next('subscribed');
  expect(lost.recovered).toBe(false);
  await second.next('snapshot');
  second.send({ ...frame, id: 'b', since: lost.cursor });
  expect((await second.next('subscribed')).recovered).toBe(true);
});
