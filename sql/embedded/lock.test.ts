import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockDirectory } from './lock.ts';

const builtLock = fileURLToPath(new URL('../../dist/sql/embedded/lock.js', import.meta.url));

let directory: string;
let children: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tailrace-lock-'));
  children = [];
});

afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(directory, { recursive: true, force: true });
});

/** A process that waits for a line, tries to take the directory, says how it went, and stays. */
async function contender(where: string): Promise<{ child: ChildProcess; go(): Promise<string> }> {
  const program = `
    import { lockDirectory } from ${JSON.stringify(builtLock)};
    process.stdin.once('data', async () => {
      try { await lockDirectory(${JSON.stringify(where)}); console.log('held'); }
      catch (error) { console.log(error.code + ' ' + error.details?.processId); }
    });
    console.log('waits');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  await lines.next();
  return {
    child,
    async go() {
      child.stdin!.write('go\n');
      return String((await lines.next()).value);
    },
  };
}

test('a second lock in one process is refused and names the process', async () => {
  const lock = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toMatchObject({
    code: 'database_in_use',
    message: expect.stringContaining(`process ${process.pid}`),
    details: { processId: process.pid },
  });
  await lock.release();
});

test('a released directory can be taken again, and nothing is left in it', async () => {
  for (let i = 0; i < 3; i++) {
    const lock = await lockDirectory(directory);
    await lock.release();
    await lock.release();
  }
  expect(readdirSync(directory)).toEqual([]);
});

test('another process is refused while this one holds, and told by whom', async () => {
  const lock = await lockDirectory(directory);
  const other = await contender(directory);
  expect(await other.go()).toBe(`database_in_use ${process.pid}`);
  await lock.release();
});

test('the lock of a killed process is free at once, even while the process is a zombie', async () => {
  const other = await contender(directory);
  expect(await other.go()).toBe('held');
  const gone = once(other.child, 'exit');
  other.child.kill('SIGKILL');
  await gone;
  const lock = await lockDirectory(directory);
  expect(readdirSync(directory).filter((name) => name.startsWith('claim'))).toHaveLength(1);
  await lock.release();
});

test('of several that start at the same moment exactly one holds, also over the marks of the dead', async () => {
  const dead = await contender(directory);
  await dead.go();
  dead.child.kill('SIGKILL');
  await once(dead.child, 'exit');
  for (let round = 0; round < 3; round++) {
    const group = await Promise.all([1, 2, 3, 4].map(() => contender(directory)));
    const outcomes = await Promise.all(group.map((one) => one.go()));
    const holder = group[outcomes.indexOf('held')]!;
    expect(outcomes.filter((outcome) => outcome === 'held')).toHaveLength(1);
    for (const outcome of outcomes) {
      expect(['held', `database_in_use ${holder.child.pid}`]).toContain(outcome);
    }
    await Promise.all(
      group.map(async ({ child }) => {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }),
    );
  }
});

test('a directory whose path is too long for a socket can be locked', async () => {
  const long = join(directory, 'x'.repeat(120));
  mkdirSync(long);
  const lock = await lockDirectory(long);
  await expect(lockDirectory(long)).rejects.toMatchObject({ code: 'database_in_use' });
  await lock.release();
});

test('within one process too, of many at once exactly one holds', async () => {
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, () => lockDirectory(directory)),
  );
  const held = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  expect(held).toHaveLength(1);
  await held[0]!.value.release();
});
