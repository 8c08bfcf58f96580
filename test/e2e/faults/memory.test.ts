// The database is away while devices go on: what is in flight stays within its bound, the rest waits at the broker, and
// all of it is in afterwards.
import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { eventually, type Program } from '../../program.ts';
import { expectCalm, readAccount, readMetric } from './oracles.ts';
import { PATIENCE_MS, TEST_MS, withRig } from './rig.ts';

vi.setConfig({ testTimeout: TEST_MS });

const MIB = 1 << 20;
const IN_FLIGHT_BYTES_MAX = 4 * MIB;
const MESSAGES = 6_000;
const MESSAGE_BYTES = 10_000;
/** What the process may grow by beyond its bound: buffers of sockets, and garbage that nobody has collected yet. */
const GROWTH_BYTES_MAX = 32 * MIB;

function residentBytes(program: Program): number {
  const status = readFileSync(`/proc/${program.process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

it('keeps no more in memory than it may while the database is away', async () => {
  const baseMs = Date.now() - 60_000;
  const pointOf = (number: number) => ({ channel: 'big', ts: baseMs + number, value: number });
  const message = (number: number) => ({
    topic: 't/acme/rig/big',
    payload: `{"ts":${baseMs + number},"value":${number}}`.padEnd(MESSAGE_BYTES),
  });
  const env = { INGEST_IN_FLIGHT_BYTES_MAX: String(IN_FLIGHT_BYTES_MAX) };
  await withRig({ ownDatabase: true, pointOf, message, env }, async (rig) => {
    rig.device.allow(1_000);
    await rig.settled();
    const before = residentBytes(rig.program);
    await rig.database.signal('SIGKILL');
    rig.device.allow(MESSAGES);
    const inFlight = () => readMetric(rig.program, 'tailrace_ingest_in_flight_bytes_size');
    await eventually(
      async () => [rig.device.acknowledged.size, (await inFlight()) ?? 0] as const,
      ([taken, bytes]) => taken === rig.device.allowed() && bytes >= IN_FLIGHT_BYTES_MAX,
      PATIENCE_MS,
    );
    // The message that reached the bound is over it.
    expect(await inFlight()).toBeLessThan(IN_FLIGHT_BYTES_MAX + 2 * MESSAGE_BYTES);
    const grownBytes = residentBytes(rig.program) - before;
    expect(grownBytes).toBeLessThan(IN_FLIGHT_BYTES_MAX + GROWTH_BYTES_MAX);
    await readAccount(rig.program);
    expectCalm(rig.program);
    await rig.database.start();
    await rig.finish();
  });
});
