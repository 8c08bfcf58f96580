// Finds JSON that says a member twice. RFC 7515 clause 4 and RFC 7519 clause 4 let a reader take the last one; somebody
// before us may have taken the first, and let pass what we then read otherwise.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/gs;

/** Whether an object anywhere in valid JSON has two members of one name. */
export function hasDuplicateMembers(text: string): boolean {
  /** Names of each open object, undefined for an open array. */
  const open: (Set<string> | undefined)[] = [];
  let name: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1);
      if (name === undefined || names === undefined) continue;
      if (names.has(name)) return true;
      names.add(name);
    }
    name = token.startsWith('"') ? textOf(token) : undefined;
  }
  return false;
}

/** What a JSON string says: "a" and "\u0061" are one name. */
function textOf(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}
