// The policy of a process over its life: what it starts with, what it takes, what it refuses, and when it denies.
import { mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { createLog } from '../../lib/log.ts';
import { createMetrics } from '../../lib/metrics.ts';
import { type BundleService, startBundleService } from '../../test/bundle-service.ts';
import { ALLOWED, fixture, makeBundle, publish } from '../../test/bundles.ts';
import { eventually } from '../../test/program.ts';
import type { KeeperOptions } from './adoption.ts';
import { type LivePolicy, openPolicy } from './keeper.ts';

const DAY_MS = 86_400_000;
const CLAIMS = { sub: 's', tenant: 'acme', roles: ['viewer'], exp: 2_000_000_000 };

let folder: string;
let service: BundleService | undefined;
let opened: LivePolicy[];
let nowMs: number;
/** Of each trial that begins from now on. */
let trialMaxMs: number;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-keeper-'));
  opened = [];
  nowMs = 1_700_000_000_000;
  trialMaxMs = 10_000;
});

afterEach(async () => {
  for (const policy of opened) await policy.stop();
  await service?.stop();
  service = undefined;
  await rm(folder, { recursive: true });
});

async function open(location: string, change: Partial<KeeperOptions> = {}): Promise<LivePolicy> {
  const policy = await openPolicy({
    ...{ metrics: createMetrics(), log: createLog('silent'), clock: () => nowMs, location },
    ...{ ageMaxMs: DAY_MS, dataDir: join(folder, 'data'), firstMaxMs: 1_000 },
    get trialMaxMs() {
      return trialMaxMs;
    },
    ...change,
  });
  opened.push(policy);
  return policy;
}

function ask(policy: LivePolicy) {
  return policy.decide({ action: 'range', claims: CLAIMS, nowMs });
}

const revision = (n: number) => makeBundle({ revision: String(n) });
const bundlePath = () => join(folder, 'plant.tar.gz');
const becomes = (policy: LivePolicy, wanted: string) =>
  eventually(
    async () => policy.revision,
    (found) => found === wanted,
  );
const faultOf = (policy: LivePolicy, wanted: string) =>
  eventually(
    async () => policy.status().fault?.code,
    (found) => found === wanted,
  );

describe('a bundle in a file', () => {
  it('is put in force when it is replaced, and whoever listens is told', async () => {
    await publish(bundlePath(), revision(1));
    const policy = await open(bundlePath());
    expect(ask(policy)).toMatchObject({ allow: true, revision: '1', reason: ALLOWED.reason });
    const told: string[] = [];
    policy.onChange(() => told.push(policy.revision));
    const pinned = policy.pin();
    await publish(bundlePath(), revision(2));
    await becomes(policy, '2');
    expect(told).toEqual(['2']);
    expect(pinned.decide({ action: 'range', claims: CLAIMS, nowMs }).revision).toBe('1');
    expect(policy.status()).toMatchObject({ source: bundlePath(), state: 'in_force' });
  });

  it('is followed through links that are swapped, as Kubernetes does', async () => {
    await writeFile(join(folder, 'one'), revision(1));
    await writeFile(join(folder, 'two'), revision(2));
    await symlink('one', bundlePath());
    const policy = await open(bundlePath());
    await symlink('two', join(folder, 'next'));
    await rename(join(folder, 'next'), bundlePath());
    await becomes(policy, '2');
  });

  it('may be half written: what was in force stays, and the whole is taken when it is there', async () => {
    await publish(bundlePath(), revision(1));
    const policy = await open(bundlePath());
    const next = revision(2);
    await writeFile(bundlePath(), next.subarray(0, next.length / 2));
    await faultOf(policy, 'policy_bundle_invalid');
    expect(ask(policy)).toMatchObject({ allow: true, revision: '1' });
    await writeFile(bundlePath(), next);
    await becomes(policy, '2');
    expect(policy.status().fault).toBeUndefined();
  });

  it('may go: that is noted, and the bundle stays until it is over its age', async () => {
    await publish(bundlePath(), revision(1));
    const policy = await open(bundlePath());
    await rm(bundlePath());
    await faultOf(policy, 'policy_bundle_unreadable');
    nowMs += DAY_MS;
    expect(ask(policy).allow).toBe(true);
    nowMs += 1;
    expect(ask(policy)).toMatchObject({
      allow: false,
      reason: expect.stringMatching(/maximum age/),
      revision: '1',
    });
    await publish(bundlePath(), revision(1));
    await eventually(async () => ask(policy).allow, Boolean);
  });

  test.each([
    ['is not there', undefined, {}, 'policy_bundle_unreadable'],
    ['is noise', Buffer.from('noise'), {}, 'policy_bundle_invalid'],
    ['never ends', makeBundle({ rounds: 100_000 }), { trialMaxMs: 300 }, 'policy_trial_timeout'],
  ])('that %s lets a first start fail', async (_what, packed, change, code) => {
    if (packed !== undefined) await writeFile(bundlePath(), packed);
    await expect(open(bundlePath(), change)).rejects.toMatchObject({ code });
  });
});

describe('a candidate that is refused', () => {
  const keysPath = join(import.meta.dirname, 'fixtures/es256.pub.pem');
  test.each([
    [
      'corrupt',
      () => Buffer.concat([revision(2).subarray(0, 500), Buffer.alloc(500)]),
      'bundle_invalid',
    ],
    ['older', () => revision(0), 'revision_older'],
    ['another with the same revision', () => makeBundle({ odd: 1 }), 'revision_reused'],
    ['never ending', () => makeBundle({ revision: '2', rounds: 100_000 }), 'trial_timeout'],
    ['answering wrongly', () => makeBundle({ revision: '2', answer: 'yes' }), 'answer_invalid'],
  ])('for being %s leaves in force what was', async (_what, packed, code) => {
    await publish(bundlePath(), revision(1));
    const policy = await open(bundlePath());
    if (code === 'trial_timeout') trialMaxMs = 500;
    await publish(bundlePath(), packed());
    await faultOf(policy, `policy_${code}`);
    expect(ask(policy)).toMatchObject({ allow: true, revision: '1' });
  });

  it('does not confirm the one in force; a good one ends that', async () => {
    await publish(bundlePath(), revision(2));
    const policy = await open(bundlePath());
    await publish(bundlePath(), revision(1));
    await faultOf(policy, 'policy_revision_older');
    nowMs += DAY_MS + 1;
    expect(ask(policy).allow).toBe(false);
    await publish(bundlePath(), revision(3));
    await becomes(policy, '3');
    expect(ask(policy).allow).toBe(true);
  });

  it('for its signature leaves in force what was', async () => {
    await publish(bundlePath(), fixture('es256.tar.gz'));
    const policy = await open(bundlePath(), { keysPath });
    await publish(bundlePath(), revision(4));
    await faultOf(policy, 'policy_unsigned');
    await publish(bundlePath(), fixture('rs256-scope.tar.gz'));
    await faultOf(policy, 'policy_signature_invalid');
    expect(ask(policy)).toMatchObject({ allow: true, revision: '3' });
  });

  it('is counted by what was wrong, beside what was put in force', async () => {
    await publish(bundlePath(), revision(2));
    const metrics = createMetrics();
    const policy = await open(bundlePath(), { metrics });
    await publish(bundlePath(), revision(1));
    await faultOf(policy, 'policy_revision_older');
    nowMs += 5_000;
    const exposition = await metrics.exposition();
    expect(exposition).toContain('tailrace_policy_activations_total 1');
    expect(exposition).toContain(
      'tailrace_policy_candidates_refused_total{code="policy_revision_older"} 1',
    );
    expect(exposition).toContain('tailrace_policy_bundle_age_seconds 5');
    expect(exposition).toContain('tailrace_policy_over_age 0');
  });
});

describe('a start', () => {
  it('goes on with the last good bundle where the source is away, or bad, and knows its age', async () => {
    await publish(bundlePath(), revision(5));
    await (await open(bundlePath())).stop();
    await rm(bundlePath());
    nowMs += DAY_MS / 2;
    const away = await open(bundlePath());
    expect(ask(away)).toMatchObject({ allow: true, revision: '5' });
    expect(away.status()).toMatchObject({
      confirmedMs: nowMs - DAY_MS / 2,
      fault: { code: 'policy_bundle_unreadable' },
    });
    await away.stop();
    await publish(bundlePath(), Buffer.from('noise'));
    const bad = await open(bundlePath());
    expect(ask(bad)).toMatchObject({ allow: true, revision: '5' });
    nowMs += DAY_MS;
    expect(ask(bad).allow).toBe(false);
  });

  it('does not go back behind a revision that was in force before', async () => {
    await publish(bundlePath(), revision(5));
    await (await open(bundlePath())).stop();
    await publish(bundlePath(), revision(4));
    const policy = await open(bundlePath());
    expect(policy.revision).toBe('5');
    expect(policy.status().fault?.code).toBe('policy_revision_older');
  });

  it('leaves a last good bundle alone that was changed on disk, but remembers its revision', async () => {
    await publish(bundlePath(), revision(5));
    await (await open(bundlePath())).stop();
    const kept = join(folder, 'data/policy');
    const [name = ''] = (await readdir(kept)).filter((file) => file.endsWith('.tar.gz'));
    await writeFile(join(kept, name), revision(9));
    await publish(bundlePath(), revision(4));
    await expect(open(bundlePath())).rejects.toMatchObject({ code: 'policy_revision_older' });
    await publish(bundlePath(), revision(6));
    expect((await open(bundlePath())).revision).toBe('6');
  });

  it('does not fail over a record of the last good bundle that is spoilt', async () => {
    await publish(bundlePath(), revision(5));
    await (await open(bundlePath())).stop();
    await writeFile(join(folder, 'data/policy/last-good.json'), '{"sou');
    expect((await open(bundlePath())).revision).toBe('5');
    expect(await readFile(join(folder, 'data/policy/last-good.json'), 'utf8')).toContain('"5"');
  });

  it('measures a source by its own revisions only', async () => {
    await publish(bundlePath(), revision(5));
    await (await open(bundlePath())).stop();
    await publish(join(folder, 'other.tar.gz'), revision(1));
    expect((await open(join(folder, 'other.tar.gz'))).revision).toBe('1');
  });

  it('with the bundle shipped needs no source, and never gets too old', async () => {
    const shipped = { location: undefined, clock: () => nowMs };
    const policy = await open('', shipped);
    nowMs += 1_000 * DAY_MS;
    await policy.check();
    expect(ask(policy).allow).toBe(true);
    expect(policy.status()).toMatchObject({ source: 'shipped', state: 'in_force' });
  });
});

describe('a bundle service', () => {
  it('tells of a new bundle while it is asked to wait', async () => {
    service = await startBundleService({ longPolls: true, token: 'secret' });
    service.serve(revision(1));
    const policy = await open(service.url, { token: 'secret' });
    const { requests } = service;
    await policy.check();
    await eventually(
      async () => requests.length,
      (n) => n >= 2,
    );
    const startMs = performance.now();
    service.serve(revision(2));
    await becomes(policy, '2');
    expect(performance.now() - startMs).toBeLessThan(5_000);
    expect(requests[0]?.headers).toMatchObject({
      prefer: 'modes=snapshot',
      authorization: 'Bearer secret',
    });
    expect(requests.at(-1)?.headers.prefer).toBe('modes=snapshot;wait=30');
  });

  it('is asked every few seconds where it does not wait, and only sends what is new', async () => {
    service = await startBundleService();
    service.serve(revision(1));
    const policy = await open(service.url);
    const { requests } = service;
    await policy.check();
    expect(requests.at(-1)?.status).toBe(304);
    expect(requests.at(-1)?.headers['if-none-match']).toMatch(/^"[0-9a-f]{16}"$/);
    service.serve(revision(2));
    await becomes(policy, '2');
    expect(requests.filter(({ status }) => status === 200)).toHaveLength(2);
  });

  it('that is away for a day is outlived, and longer is not', async () => {
    service = await startBundleService();
    service.serve(revision(1));
    const policy = await open(service.url);
    let changes = 0;
    policy.onChange(() => changes++);
    await service.stop();
    nowMs += DAY_MS - 60_000;
    await policy.check();
    expect(ask(policy).allow).toBe(true);
    expect(policy.status()).toMatchObject({
      state: 'in_force',
      fault: { code: 'policy_source_unreachable' },
    });
    nowMs += 120_000;
    expect(policy.status().state).toBe('over_age');
    expect(ask(policy)).toMatchObject({ allow: false, selectors: [], obligations: {} });
    expect(changes).toBe(1);
    await service.start();
    await policy.check();
    expect(policy.status().state).toBe('in_force');
    expect(policy.status().fault).toBeUndefined();
    expect(ask(policy).allow).toBe(true);
    expect(changes).toBe(2);
  });

  it('that confirms nothing but a refused bundle lets the one in force get too old', async () => {
    service = await startBundleService();
    service.serve(revision(2));
    const policy = await open(service.url);
    service.serve(revision(1));
    await policy.check();
    await policy.check();
    expect(service.requests.at(-1)?.status).toBe(304);
    expect(policy.status().fault?.code).toBe('policy_revision_older');
    nowMs += DAY_MS + 1;
    await policy.check();
    expect(ask(policy).allow).toBe(false);
  });

  it('has no say over more than it is asked for', async () => {
    service = await startBundleService();
    service.serve(revision(1));
    const other = await startBundleService();
    other.serve(revision(2));
    const policy = await open(service.url.replace('//', '//user:pass@'), {});
    expect(policy.status().source).toBe(service.url);
    expect(service.requests[0]?.headers.authorization).toMatch(/^Basic /);
    const faults: (readonly [string, RegExp, Parameters<BundleService['answer']>[0]])[] = [
      ['policy_source_unreachable', /answers 500/, (_, response) => response.writeHead(500).end()],
      [
        'policy_bundle_invalid',
        /larger than/,
        (_, response) => response.writeHead(200).end(Buffer.alloc(9 << 20)),
      ],
      [
        'policy_source_unreachable',
        /redirects more/,
        (_, response) => response.writeHead(302, { location: '/' }).end(),
      ],
      [
        'policy_source_unreachable',
        /ftp:/,
        (_, response) => response.writeHead(302, { location: 'ftp://127.0.0.1/' }).end(),
      ],
    ];
    for (const [code, detail, answer] of faults) {
      service.answer(answer);
      await policy.check();
      expect(policy.status().fault).toMatchObject({ code, detail: expect.stringMatching(detail) });
      expect(policy.revision).toBe('1');
    }
    service.answer((_, response) => response.writeHead(307, { location: other.url }).end());
    await policy.check();
    expect(policy.revision).toBe('2');
    expect(other.requests.at(-1)?.headers.authorization).toBeUndefined();
    await other.stop();
  });

  it('that is away at the first start of all lets it fail in time', async () => {
    service = await startBundleService();
    await service.stop();
    const startMs = performance.now();
    await expect(open(service.url)).rejects.toMatchObject({ code: 'policy_source_unreachable' });
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  it('need not send again what is on disk already', async () => {
    service = await startBundleService();
    service.serve(revision(1));
    await (await open(service.url)).stop();
    nowMs += DAY_MS / 2;
    const policy = await open(service.url);
    expect(service.requests.map(({ status }) => status)).toEqual([200, 304]);
    expect(policy.status()).toMatchObject({ revision: '1', confirmedMs: nowMs });
  });

  it('has to send it again where what is on disk will not do any more', async () => {
    service = await startBundleService();
    service.serve(revision(1));
    await (await open(service.url)).stop();
    const keysPath = join(import.meta.dirname, 'fixtures/es256.pub.pem');
    const signedOnly = open(service.url, { keysPath });
    await expect(signedOnly).rejects.toMatchObject({ code: 'policy_unsigned' });
    expect(service.requests.map(({ status }) => status)).toEqual([200, 200]);
  });
});
