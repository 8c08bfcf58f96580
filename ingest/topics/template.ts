// Texts of a topic rule that may hold parts of the topic: "{site}-{asset}".
import type { TextFault } from './pattern.ts';

/** A text in pieces: itself, or the name of the part that stands there. */
export type Template = readonly (string | { readonly part: string })[];

const PART = /\{([^{}]*)\}/g;

/** Reads a template for a pattern with parts of these names. */
export function parseTemplate(
  text: string,
  names: readonly string[],
): Template | { readonly faults: readonly TextFault[] } {
  const faults: TextFault[] = [];
  const pieces: (string | { part: string })[] = [];
  let from = 0;
  function addText(piece: string): void {
    if (/[{}]/.test(piece)) {
      faults.push({ at: from, message: 'a brace has no partner: parts of the topic are {name}' });
    }
    if (piece !== '') pieces.push(piece);
  }
  for (const found of text.matchAll(PART)) {
    const name = found[1] ?? '';
    addText(text.slice(from, found.index));
    if (!names.includes(name)) {
      const known = names.length === 0 ? 'none' : names.map((one) => `{${one}}`).join(', ');
      faults.push({ at: found.index, message: `the topic has no part {${name}}; it has ${known}` });
    }
    pieces.push({ part: name });
    from = found.index + found[0].length;
  }
  addText(text.slice(from));
  return faults.length > 0 ? { faults } : pieces;
}

/** The text of a template without parts; undefined for any other. */
export function constantOf(template: Template): string | undefined {
  const [first = '', ...others] = template;
  return typeof first === 'string' && others.length === 0 ? first : undefined;
}

/** The text with the parts in their places. */
export function fillTemplate(template: Template, parts: ReadonlyMap<string, string>): string {
  let text = '';
  for (const piece of template) {
    text += typeof piece === 'string' ? piece : (parts.get(piece.part) ?? '');
  }
  return text;
}
