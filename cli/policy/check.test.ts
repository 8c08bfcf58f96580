// `tailrace policy check` as operators run it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeBundle } from '../../test/bundles.ts';
import { runCommand } from '../../test/program.ts';

const FIXTURES = join(import.meta.dirname, '../../policies/bundles/fixtures');
const KEYS = { POLICY_KEYS: join(FIXTURES, 'es256.pub.pem') };

describe('policy check', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tailrace-check-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('says what is in a bundle that would be taken', async () => {
    const path = join(FIXTURES, 'es256.tar.gz');
    const { status, stdout } = await runCommand(['policy', 'check', path], KEYS);
    expect({ status, stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/revision +3\nsignature +holds\nroots +tailrace, answer/),
    });
    const json = await runCommand(['policy', 'check', '--json', path], {});
    expect(JSON.parse(json.stdout)).toMatchObject({
      ...{ ok: true, revision: '3', signed: false, builtins: [] },
      entrypoints: ['tailrace/decision'],
      decisions: { count: expect.any(Number), medianUs: expect.any(Number) },
    });
  });

  it('fails with the reason for one that would not', async () => {
    const path = join(folder, 'wrong.tar.gz');
    await writeFile(path, makeBundle({ answer: true }));
    const said = await runCommand(['policy', 'check', path], {});
    expect(said).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/decision is no object/),
    });
    const json = await runCommand(['policy', 'check', '--json', path], KEYS);
    expect(json.status).toBe(1);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, code: 'policy_unsigned' });
    const absent = await runCommand(['policy', 'check', join(folder, 'no')], {});
    expect(absent).toMatchObject({ status: 1, stderr: expect.stringMatching(/cannot be read/) });
  });
});
