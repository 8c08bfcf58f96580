// The process is told to end while messages come at full rate: it drains, says goodbye, and has promised nothing that a
// second one does not find.
import { expect, it, vi } from 'vitest';
import { TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const BURST = 20_000;

it('SIGTERM under load: all that was acknowledged is in, and the rest comes again', async () => {
  await withRig({}, async (rig) => {
    for (let stop = 0; stop < 2; stop++) {
      await rig.underWay(BURST);
      await rig.end();
      const stored = await rig.check();
      // Drained: whatever is stored was acknowledged too.
      expect(rig.tap.acknowledged.size).toBe(stored.size);
      await rig.restart();
    }
    await rig.finish();
  });
});
