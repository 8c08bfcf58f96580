// Types of sources.mjs, which is JavaScript because build.mjs runs it before anything is built.

/** Lists the rules and data below a folder, by path, tests left out. */
export function listSources(folder: string): string[];

/** SHA-256 over names and contents of the rules and data below a folder. */
export function hashSources(folder: string): string;
