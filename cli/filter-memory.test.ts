import { writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createLog } from '../lib/log.ts';
import { withDataDir } from '../test/program.ts';
import { openFilterMemory } from './filter-memory.ts';

const log = createLog('silent');
const session = { broker: 'broker:1883', clientId: 'a' };

it('remembers the filters of each session', async () => {
  await withDataDir(async (dataDir) => {
    const folder = join(dataDir, 'new');
    expect(openFilterMemory(session, folder, log).load()).toEqual([]);
    openFilterMemory(session, folder, log).save(['t/#', '$share/g/a/+']);
    expect(openFilterMemory(session, folder, log).load()).toEqual(['t/#', '$share/g/a/+']);
    expect(openFilterMemory({ ...session, clientId: 'b' }, folder, log).load()).toEqual([]);
  });
});

it('starts with nothing where its file is spoiled, and goes on where it cannot be written', async () => {
  await withDataDir(async (dataDir) => {
    openFilterMemory(session, dataDir, log).save(['t/#']);
    const [file = ''] = await readdir(dataDir);
    writeFileSync(join(dataDir, file), '["t/#');
    expect(openFilterMemory(session, dataDir, log).load()).toEqual([]);
    openFilterMemory(session, join(dataDir, file), log).save(['t/#']);
  });
});
