// The database's disk is full: writing pauses and says so, nothing is acknowledged, and when there is room all goes on.
import { expect, it, vi } from 'vitest';
import { eventually } from '../../program.ts';
import { mountSmallDisk } from '../../small-disk.ts';
import { expectCalm, readAccount, readReadiness } from './oracles.ts';
import { PATIENCE_MS, type Rig, TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const DISK_MB = 192;
const LEFT_BYTES = 1 << 20;
const BURST = 50_000;

/** Waits until the writer has said so often that it is paused. */
async function pausedTimes({ program }: Rig, times: number): Promise<void> {
  await eventually(
    async () => program.log.filter(({ msg }) => msg === 'writing is paused').length,
    (pauses) => pauses >= times,
    PATIENCE_MS,
  );
}

it('pauses, acknowledges nothing, and goes on when there is room', async () => {
  const disk = mountSmallDisk(DISK_MB);
  try {
    await withRig({ ownDatabase: { dataDir: disk.directory } }, async (rig) => {
      rig.device.allow(1_000);
      await rig.settled();
      disk.fill(LEFT_BYTES);
      rig.device.allow(BURST);
      await pausedTimes(rig, 2);
      const acknowledged = rig.tap.acknowledged.size;
      await pausedTimes(rig, 3);
      expect(rig.tap.acknowledged.size).toBe(acknowledged);
      const { status, parts } = await readReadiness(rig.program);
      expect([status, parts.writer?.ok]).toEqual([503, false]);
      expect(parts.writer?.detail).toMatch(/^paused/);
      expect((await readAccount(rig.program)).inFlight).toBeGreaterThan(0);
      expectCalm(rig.program);
      await rig.check();
      disk.makeRoom();
      await rig.finish();
    });
  } finally {
    disk.remove();
  }
});
