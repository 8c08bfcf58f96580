// The command on decisions that a server took and recorded, with candidates made from the shipped bundle.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { shippedBundlePath, unpackBundle } from '../../policies/bundles/bundle.ts';
import type { Decision, DecisionInput } from '../../policies/decide/decision.ts';
import { recordOf } from '../../policies/decide/mask.ts';
import { loadPolicy } from '../../policies/decide/policy.ts';
import { openDecisionLog } from '../../store/decisions.ts';
import { pack } from '../../test/bundles.ts';
import { openTestDatabase, type TestDatabase } from '../../test/database.ts';
import { replayCommand } from './replay.ts';

const NOW_MS = Date.now();
const CLAIMS = { sub: 'ann', tenant: 'acme', roles: ['viewer'], exp: 9e9 };

let test: TestDatabase;
let folder: string;

beforeAll(async () => {
  test = await openTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'tailrace-replay-'));
  await record([
    { action: 'range' },
    { action: 'series' },
    { action: 'range', claims: { ...CLAIMS, roles: ['guest'], sub: 'gus' } },
    { action: 'tail', claims: { ...CLAIMS, assets: ['rig-1'] } },
    { action: 'range', claims: { ...CLAIMS, email: 'ann@example.org' } },
    { action: 'range', claims: { ...CLAIMS, assets: ['x'.repeat(5_000)] } },
    { action: 'range', claims: { ...CLAIMS, tenant: 'zenith' } },
    { action: 'range', nowMs: NOW_MS - 48 * 3_600_000 },
  ]);
  await test.database.writer.query(
    `insert into tailrace.decision values
       ('g', now(), 'acme', null, 'gap', false, '', '{}', '{"lost": 7}', 0),
       ('o', now(), 'acme', 'ann', 'range', true, '1', '{"of": "another version"}', '{}', 0)`,
  );
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await test.dispose();
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** Lets the shipped rules decide, and writes down what they did. */
async function record(asked: readonly Partial<DecisionInput>[]): Promise<void> {
  const common = { metrics: createMetrics(), log: createLog('silent') };
  const { database } = test;
  const log = openDecisionLog<Decision>({ ...common, database, mode: 'all', rowOf: recordOf });
  const policy = await loadPolicy({ ...common, clock: Date.now, onDecision: log.record });
  const request = { protocol: 'http', start: 1, end: 2, step_ms: null };
  for (const one of asked) {
    policy.decide({ action: 'range', claims: CLAIMS, nowMs: NOW_MS, request, ...one });
  }
  await log.stop();
}

interface Roles {
  [role: string]: { actions: string[]; obligations: Record<string, unknown> };
}

/** The shipped bundle with its table of roles changed. */
async function candidate(change: (roles: Roles) => void): Promise<string> {
  const files = new Map(unpackBundle(await readFile(shippedBundlePath())));
  const data = JSON.parse(Buffer.from(files.get('data.json') ?? []).toString());
  change(data.roles);
  files.set('data.json', Buffer.from(JSON.stringify(data)));
  const path = join(folder, 'candidate.tar.gz');
  const named = [...files].map(([name, bytes]) => [name.replace(/^\/+/, ''), bytes] as const);
  await writeFile(path, pack(Object.fromEntries(named)));
  return path;
}

async function replay(...args: string[]) {
  vi.stubEnv('DATABASE_URL', test.url);
  vi.stubEnv('LOG_LEVEL', 'silent');
  const said: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  await replayCommand().exitOverride().parseAsync(args, { from: 'user' });
  vi.restoreAllMocks();
  return { text: said.join(''), status: process.exitCode ?? 0 };
}

const NOTHING = { denied: 0, allowed: 0, series: 0, obligations: 0 };

describe('tailrace policy replay', () => {
  it('finds no difference to the rules that decided, and says what it could not ask', async () => {
    const { text, status } = await replay(shippedBundlePath(), '--json');
    expect(JSON.parse(text)).toEqual({
      ...{ revision: expect.any(String), replayed: 6, changed: NOTHING, changes: [] },
      not_replayable: { masked: 0, erased: 1, unreadable: 1 },
      ...{ masked_claims: {}, lost: 7, cut_off: false },
    });
    expect(status).toBe(0);
  });

  it('counts and lists what would change, and fails so that a pipeline stops', async () => {
    const path = await candidate((roles) => {
      roles.viewer = { actions: ['range', 'tail'], obligations: { finest_step_ms: 60_000 } };
      roles.guest = { actions: ['range'], obligations: {} };
    });
    const { text, status } = await replay(path, '--json', '--tenant', 'acme');
    const report = JSON.parse(text);
    expect(report).toMatchObject({
      ...{ replayed: 5, changed: { denied: 1, allowed: 1, series: 0, obligations: 3 } },
    });
    expect(report.changes).toContainEqual({
      ...{ id: expect.any(String), time: new Date(NOW_MS).toISOString(), tenant: 'acme' },
      ...{ subject: 'ann', action: 'series', change: 'denied' },
      ...{ before: expect.stringContaining('viewer'), after: expect.any(String) },
    });
    expect(status).toBe(1);
  });

  it('leaves out what asks for a masked claim, and names it', async () => {
    const path = await candidate((roles) => {
      roles.email = { actions: [], obligations: {} };
    });
    const { text } = await replay(path, '--json');
    expect(JSON.parse(text)).toMatchObject({
      ...{ replayed: 5, not_replayable: { masked: 1 }, masked_claims: { email: 1 } },
    });
  });

  it('goes as far back as it is told, and says where the limit cut it off', async () => {
    const far = await replay(shippedBundlePath(), '--json', '--since', '72h');
    expect(JSON.parse(far.text)).toMatchObject({ replayed: 7, cut_off: false });
    const cut = await replay(shippedBundlePath(), '--json', '--limit', '4');
    expect(JSON.parse(cut.text)).toMatchObject({ cut_off: true });
  });

  it('tells people the same', async () => {
    const path = await candidate((roles) => {
      roles.viewer = { actions: ['series', 'tail'], obligations: {} };
    });
    const { text, status } = await replay(path);
    expect(text).toMatch(/^revision \S+ on 6 recorded decisions\n/);
    expect(text).toMatch(/^ +3 {2}allowed → denied$/m);
    expect(text).toMatch(/^ +7 {2}never recorded$/m);
    expect(text).toMatch(/allowed → denied {2}"ann" of "zenith" {2}range: ".*" → ".*" {2}\(/);
    expect(status).toBe(1);
  });

  it.each([
    ['--since', 'yesterday'],
    ['--limit', '0'],
  ])('does not take %s %s', async (option, value) => {
    vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    await expect(replay(shippedBundlePath(), option, value)).rejects.toMatchObject({
      code: 'commander.invalidArgument',
    });
  });
});
