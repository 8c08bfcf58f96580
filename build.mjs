// Builds dist/: the program by tsc, the chart page by esbuild, and the files that the program reads at run time, at
// the same relative places as in the sources.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(fileURLToPath(new URL('.', import.meta.url)));

rmSync('dist', { recursive: true, force: true });
// The client is for programs of others, so that it comes with its types.
for (const project of ['tsconfig.build.json', 'client/tsconfig.json']) {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project], {
    stdio: 'inherit',
  });
}

for (const asset of [
  'sql/migrations',
  'sql/routines',
  'policies/bundle.tar.gz',
  'cli/demo/fixtures',
]) {
  if (existsSync(asset)) cpSync(asset, `dist/${asset}`, { recursive: true });
}

if (existsSync('query/page')) {
  mkdirSync('dist/query/page', { recursive: true });
  await build({
    entryPoints: { page: 'query/page/main.ts' },
    bundle: true,
    // What only some pages need is loaded by those.
    splitting: true,
    minify: true,
    sourcemap: true,
    format: 'esm',
    target: 'es2022',
    loader: { '.svg': 'dataurl' },
    outdir: 'dist/query/page',
    logLevel: 'warning',
  });
  cpSync('query/page/index.html', 'dist/query/page/index.html');
}

const { makeInitialDirectory } = await import('./dist/sql/embedded/initial-directory.js');
await makeInitialDirectory();
