// The database goes: killed in a loop at full rate, stopped for long, and held in the middle of what it does. Nothing is
// acknowledged that is not committed, and when it is back all goes on by itself.
import { setTimeout } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { eventually } from '../../program.ts';
import { expectCalm, readAccount, readReadiness } from './oracles.ts';
import { PATIENCE_MS, TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const BURST = 15_000;
/** Seconds; longer by hand. */
const OUTAGE_S = Number(process.env.OUTAGE_S ?? 5);
/** mosquitto closes after one and a half of it without a packet. */
const KEEPALIVE_S = 2;

it('is killed in a loop at full rate: nothing acknowledged is lost', async () => {
  await withRig({ ownDatabase: true }, async (rig) => {
    for (let kill = 0; kill < 2; kill++) {
      await rig.underWay(BURST);
      await setTimeout(Math.random() * 200);
      await rig.database.signal('SIGKILL');
      await readAccount(rig.program);
      await rig.database.start();
      await rig.check();
    }
    await rig.finish();
  });
});

it(`is stopped for ${OUTAGE_S} s, which is longer than the keepalive: all is in when it is back`, async () => {
  await withRig({ ownDatabase: true, tap: { keepaliveS: KEEPALIVE_S } }, async (rig) => {
    // With its series there, what fails is writing.
    rig.device.allow(1_000);
    await rig.settled();
    await rig.underWay(BURST);
    await rig.database.signal('SIGTERM');
    const until = Date.now() + OUTAGE_S * 1000;
    rig.device.allow(BURST);
    const acknowledged = rig.tap.acknowledged.size;
    await eventually(
      () => readReadiness(rig.program),
      ({ parts }) => parts.writer?.detail?.startsWith('waiting') === true,
      PATIENCE_MS,
    );
    while (Date.now() < until) {
      await readAccount(rig.program);
      expectCalm(rig.program);
      await setTimeout(100);
    }
    expect(rig.tap.acknowledged.size).toBe(acknowledged);
    await rig.database.start();
    await rig.finish();
  });
});

it('is held in the middle of a batch for several keepalives: the session lives on', async () => {
  // Batches so small that both are full, and reading waits: the broker's signs of life stay unread.
  const env = { INGEST_BATCH_ROWS_MAX: '1000' };
  await withRig({ ownDatabase: true, tap: { keepaliveS: KEEPALIVE_S }, env }, async (rig) => {
    await rig.underWay(BURST);
    await rig.database.signal('SIGSTOP');
    const connections = rig.tap.opened;
    const redelivered = rig.tap.redelivered();
    rig.device.allow(BURST);
    const until = Date.now() + 3_000 * KEEPALIVE_S;
    while (Date.now() < until) {
      await readAccount(rig.program);
      await setTimeout(100);
    }
    await rig.database.signal('SIGCONT');
    await rig.finish();
    expect(rig.tap.opened).toBe(connections);
    expect(rig.tap.redelivered()).toBe(redelivered);
  });
});
