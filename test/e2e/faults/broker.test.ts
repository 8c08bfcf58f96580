// The broker goes and comes back, delivers twice, and uses packet identifiers again: each message is in the table once,
// and no acknowledgement reaches a message that it was not meant for.
import { expect, it, vi } from 'vitest';
import { eventually } from '../../program.ts';
import { readAccount } from './oracles.ts';
import { PATIENCE_MS, TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const BURST = 10_000;

it('is restarted by SIGTERM under load, with persistence: nothing is lost', async () => {
  await withRig({ broker: { persistence: true } }, async (rig) => {
    for (let restart = 0; restart < 3; restart++) {
      await rig.underWay(BURST);
      await rig.broker.stop();
      await readAccount(rig.program);
      await rig.broker.start();
      await rig.check();
    }
    await rig.finish();
  });
});

it('is killed, and the publisher sends all again: nothing is lost or stored twice', async () => {
  await withRig({ broker: { persistence: true } }, async (rig) => {
    await rig.underWay(BURST);
    await rig.broker.kill();
    await rig.broker.start();
    // A killed mosquitto has forgotten the session and all that it had acknowledged to the device.
    await rig.receiving();
    rig.device.sendAgain();
    await rig.settled();
    expect((await readAccount(rig.program)).corrected).toBe(0);
    await rig.finish();
  });
});

it('delivers every message twice, flagged and unflagged', async () => {
  await withRig({ tap: { twice: true } }, async (rig) => {
    rig.device.allow(BURST);
    await rig.settled();
    rig.device.sendAgain();
    await rig.settled();
    const account = await eventually(
      () => readAccount(rig.program),
      ({ inFlight, received }) => inFlight === 0 && received === 4 * BURST,
      PATIENCE_MS,
    );
    expect(account).toMatchObject({ inserted: BURST, duplicate: 3 * BURST, corrected: 0 });
    await rig.finish();
  });
});

it('uses packet identifiers again while batches are on their way', async () => {
  await withRig({ tap: { reusesIds: true } }, async (rig) => {
    for (let cut = 0; cut < 4; cut++) {
      await rig.underWay(BURST / 2);
      // Nothing is committed while the connection changes: what was received on the old one is acknowledged afterwards.
      rig.line.hold();
      const { opened } = rig.tap;
      rig.tap.cut();
      rig.device.allow(BURST / 2);
      await eventually(
        async () => rig.tap.opened,
        (connections) => connections > opened,
        PATIENCE_MS,
      );
      const before = rig.tap.delivered();
      await eventually(
        async () => rig.tap.delivered(),
        (delivered) => delivered > before,
        PATIENCE_MS,
      );
      rig.line.release();
      await rig.check();
    }
    await rig.finish();
  });
});
