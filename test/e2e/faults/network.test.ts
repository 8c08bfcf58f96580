// The way to the database breaks at the worst moments, or is slow. A batch of which nobody knows whether it was committed
// is written again, and stands in the table once.
import { expect, it, vi } from 'vitest';
import { eventually } from '../../program.ts';
import { readAccount, readReadiness } from './oracles.ts';
import { PATIENCE_MS, TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const BURST = 10_000;
const COMMIT_MS = 100;
/** One acknowledgement after the other would be 10 messages a second. */
const MESSAGES_PER_S_MIN = 3_000;

it('is cut amid a COPY, and between a COMMIT and its answer', async () => {
  await withRig({}, async (rig) => {
    for (const moment of ['copy', 'commit', 'commit', 'copy'] as const) {
      const cut = rig.line.cutAt(moment);
      rig.device.allow(BURST);
      await cut;
      await readAccount(rig.program);
      await rig.check();
    }
    await rig.settled();
    const { inserted, duplicate } = await readAccount(rig.program);
    // What was committed unseen was found again: each reading counts once, whichever way.
    expect(inserted + duplicate).toBe(4 * BURST);
    expect(duplicate).toBeGreaterThan(0);
    await rig.finish();
  });
});

it('is cut before there is any series: /readyz says what fails, and goes on by itself', async () => {
  await withRig({}, async (rig) => {
    rig.line.refuse();
    rig.device.allow(1_000);
    await eventually(
      () => readReadiness(rig.program),
      ({ parts }) => parts.ingest?.detail?.startsWith('create series: ') === true,
      PATIENCE_MS,
    );
    expect(rig.tap.acknowledged.size).toBe(0);
    rig.line.accept();
    await rig.settled();
    expect((await readReadiness(rig.program)).parts.ingest?.ok).toBe(true);
    await rig.finish();
  });
});

it('takes 100 ms for each COMMIT: messages are acknowledged by the batch, and the rate holds', async () => {
  await withRig({}, async (rig) => {
    await rig.underWay(1_000);
    rig.line.delayCommits(COMMIT_MS);
    const messages = 20_000;
    const began = Date.now();
    rig.device.allow(messages);
    await rig.settled();
    const perSecond = (messages * 1000) / (Date.now() - began);
    expect(perSecond).toBeGreaterThan(MESSAGES_PER_S_MIN);
    await rig.finish();
  });
});
