// Making elements.
import { cutInTwo } from './titles.ts';

/** Makes an element with attributes and children. An attribute that is undefined or false is left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | boolean | undefined>> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/** A name that gives way in its middle where room is short. */
export function cuttable(kind: string, text: string): HTMLElement {
  const [head, tail] = cutInTwo(text);
  return el('span', { class: `cuttable ${kind}` }, el('span', { class: 'head' }, head), tail);
}

/** The element of the page with this id, which is there. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element as T;
}

/** Whether a pane's names and values stand above its plot instead of beside it; as in phone.css. */
export function isNarrow(): boolean {
  return window.matchMedia('(max-width: 700px)').matches;
}

/** Sets text where it differs: setting it always would make the browser lay out anew. */
export function setText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
