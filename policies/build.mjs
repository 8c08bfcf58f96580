// Checks, tests and builds the policies: `npm run policy`. With --check it builds beside the committed bundle and fails
// unless the two are the same to the byte. OPA comes by Go's module proxy, see opa/go.mod.
//
// The revision is a number that grows by one whenever the built bundle changes, and never else.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { hashSources, listSources } from './sources.mjs';

const RULES = 'rego';
const BUNDLE = 'bundle.tar.gz';
const ENTRYPOINT = 'tailrace/decision';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));
const checkOnly = process.argv.includes('--check');

const opa = findOpa();
if (opa === undefined) withoutGo();
else withGo(opa);

/** Builds OPA where it is not in Go's cache yet (2 to 3 minutes), and gives its path; undefined without a fitting Go. */
function findOpa() {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const found = spawnSync('go', ['-C', 'opa', 'tool', '-n', 'opa'], { encoding: 'utf8', stdio });
  return found.error === undefined && found.status === 0 ? found.stdout.trim() : undefined;
}

function withoutGo() {
  const advice =
    'Policies are built with Go 1.26 or newer, and there is no such go on this machine.';
  if (!checkOnly || process.env.CI === 'true') {
    console.error(`${advice} Install it from https://go.dev/dl/.`);
    process.exit(1);
  }
  console.error(`${advice} NOT CHECKED: whether the committed bundle is what the rules build to.`);
}

function withGo(opa) {
  checkData(opa);
  run(opa, ['fmt', '--fail', '--diff', RULES]);
  const rules = ['--ignore', '*.schema.json', RULES, 'cases.json'];
  run(opa, ['check', '--strict', '--capabilities', 'capabilities.json', ...rules]);
  run(opa, ['test', ...rules]);

  const committed = readCommitted();
  const revision = committed === undefined ? 1 : revisionOf(committed);
  const built = build(opa, revision);
  if (committed?.equals(built)) {
    console.log(`policies/${BUNDLE}: revision ${revision}, a rebuild is the same to the byte`);
  } else if (checkOnly) {
    console.error(
      `policies/${BUNDLE} is not what the rules build to: npm run policy, and commit it`,
    );
    process.exit(1);
  } else {
    const next = committed === undefined ? 1 : revision + 1;
    writeFileSync(BUNDLE, build(opa, next));
    console.log(`policies/${BUNDLE}: revision ${next}`);
  }
}

/** Holds each data.json against the schema beside it, with OPA's own validator; a fault is told with its place. */
function checkData(opa) {
  const faults = listSources(RULES)
    .filter((path) => path.endsWith('.json'))
    .flatMap((path) => dataFaults(opa, join(RULES, path)));
  if (faults.length === 0) return;
  console.error(faults.join('\n'));
  process.exit(1);
}

function dataFaults(opa, path) {
  const schema = readFileSync(path.replace(/\.json$/, '.schema.json'), 'utf8');
  const input = JSON.stringify([parseJson(path), JSON.parse(schema)]);
  const args = [
    'eval',
    '--format',
    'raw',
    '--stdin-input',
    'json.match_schema(input[0], input[1])',
  ];
  const { status, stdout, stderr } = spawnSync(opa, args, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`opa eval failed on the schema of ${path}: ${stdout}${stderr}`);
  const [, found] = JSON.parse(stdout);
  return found.map(({ error }) => `policies/${path}: ${error}`);
}

function parseJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    console.error(`policies/${path}: ${error.message}`);
    process.exit(1);
  }
}

/** Builds in a folder of its own, where the manifest can stand beside the rules; gives the bundle's bytes. */
function build(opa, revision) {
  const stage = mkdtempSync(join(tmpdir(), 'tailrace-policy-'));
  try {
    for (const path of listSources(RULES)) {
      mkdirSync(dirname(join(stage, RULES, path)), { recursive: true });
      cpSync(join(RULES, path), join(stage, RULES, path));
    }
    const manifest = {
      revision: String(revision),
      roots: ['tailrace', ...dataFolders()],
      rego_version: 1,
      metadata: { sources_sha256: hashSources(RULES) },
    };
    writeFileSync(join(stage, RULES, '.manifest'), JSON.stringify(manifest));
    const capabilities = join(process.cwd(), 'capabilities.json');
    const options = ['-t', 'wasm', '-e', ENTRYPOINT, '--capabilities', capabilities, '-o', BUNDLE];
    run(opa, ['build', '--bundle', RULES, ...options], stage);
    return readFileSync(join(stage, BUNDLE));
  } finally {
    rmSync(stage, { recursive: true });
  }
}

/** The data documents stand below the names of their folders. */
function dataFolders() {
  return listSources(RULES)
    .filter((path) => path.endsWith('/data.json'))
    .map((path) => dirname(path).replaceAll('\\', '/'));
}

/** Runs OPA; what it has to say goes through, and a failure ends the build. */
function run(opa, args, cwd = process.cwd()) {
  const { status } = spawnSync(opa, args, { cwd, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`opa ${args[0]} failed`);
  process.exit(1);
}

function readCommitted() {
  try {
    return readFileSync(BUNDLE);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The revision in a bundle: the manifest is JSON in an uncompressed tar, found by its first member. */
function revisionOf(bundle) {
  const found = /\{"revision":"(\d+)"/.exec(gunzipSync(bundle).toString('latin1'));
  if (found === null)
    throw new Error(`policies/${BUNDLE} has no revision; delete it to start at 1`);
  return Number(found[1]);
}
