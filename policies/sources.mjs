// The files that a bundle is made of, and a hash of them, so that a machine without Go can tell too whether the bundle
// belongs to the rules beside it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** Lists the rules and data below a folder, by path; tests and schemas are left out. */
export function listSources(folder) {
  return readdirSync(folder, { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.(rego|json)$/.test(path) && !/(_test\.rego|\.schema\.json)$/.test(path))
    .sort();
}

/** SHA-256 over names and contents of the rules and data below a folder. */
export function hashSources(folder) {
  const hash = createHash('sha256');
  for (const path of listSources(folder)) {
    const content = readFileSync(`${folder}/${path}`);
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
}
