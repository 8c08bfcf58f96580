// A YAML text read by its nodes, so that every fault can say where it is. Only this file knows the parser.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
} from 'yaml';
import { messageOf } from '../../lib/errors.ts';
import { closestWord } from './closest-word.ts';
import type { TextFault } from './pattern.ts';

/** A value of the text; only its functions look into it. */
export type YamlNode = Node;

/** Something wrong, or doubtful, at a place that is counted from 1. */
export interface Remark {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A text value, and where what is wrong within it is. */
export interface YamlText {
  readonly text: string;
  readonly node: YamlNode;
}

export interface YamlSource {
  readonly root: YamlNode | undefined;
  readonly faults: readonly Remark[];
  /** The place of a node; of the beginning where there is none. */
  lineOf(node: YamlNode | undefined): number;
  fault(node: YamlNode | undefined, message: string): void;
  /** Faults within a text, at its place. */
  textFaults(text: YamlText, faults: readonly TextFault[]): void;
  remark(node: YamlNode | undefined, message: string): Remark;
  /** The values of a map under the keys that are known; each other key is a fault. `what` names the map. */
  fields<K extends string>(
    node: YamlNode,
    what: string,
    known: readonly K[],
  ): Partial<Record<K, YamlNode>> | undefined;
  /** All of a map whose keys are free texts, at most `max` of them. */
  entries(node: YamlNode, what: string, max: number): [YamlText, YamlNode][];
  items(node: YamlNode, what: string, max: number): readonly YamlNode[];
  text(node: YamlNode, what: string): YamlText | undefined;
  flag(node: YamlNode, what: string): boolean | undefined;
}

/** What a YAML document that is broken says of itself. */
const OWN_WORDS: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'the file holds several documents (---); it has to be one',
};

/** Reads a text. What is wrong with it as YAML is among the faults. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const faults: Remark[] = [];
  const at = (offset: number, message: string): Remark => {
    const { line, col } = lines.linePos(offset);
    // An empty text has no first line.
    return { line: Math.max(line, 1), column: Math.max(col, 1), message };
  };
  const offsetOf = (node: YamlNode | undefined) => node?.range?.[0] ?? 0;
  const fault = (node: YamlNode | undefined, message: string) => {
    faults.push(at(offsetOf(node), message));
  };
  const contents = parseContents(text, lines, (offset, message) => {
    faults.push(at(offset, message));
  });

  function wrong(node: YamlNode, what: string, wanted: string): void {
    // Little is to be saved by them here, and a few lines of them can stand for gigabytes.
    const isBare = isScalar(node) && node.value !== null;
    const hint = isBare && wanted === 'a text' ? ': write it in quotes' : '';
    fault(
      node,
      isAlias(node)
        ? 'aliases (*name) are not taken: write the value out'
        : `${what} has to be ${wanted}${hint}`,
    );
  }

  function readText(node: YamlNode, what: string): YamlText | undefined {
    if (isScalar(node) && typeof node.value === 'string') return { text: node.value, node };
    wrong(node, what, 'a text');
    return undefined;
  }

  return {
    root: contents,
    faults,
    lineOf: (node) => at(offsetOf(node), '').line,
    fault,
    textFaults({ node }, inner) {
      const quoted = isScalar(node) && node.type !== 'PLAIN' ? 1 : 0;
      for (const one of inner) faults.push(at(offsetOf(node) + quoted + one.at, one.message));
    },
    remark: (node, message) => at(offsetOf(node), message),
    fields<K extends string>(node: YamlNode, what: string, known: readonly K[]) {
      if (!isMap(node)) return void wrong(node, what, `a map with ${known.join(', ')}`);
      const found: Partial<Record<K, YamlNode>> = {};
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        const own = known.find((one) => one === name);
        if (own === undefined) fault(key as YamlNode, unknownKey(name, what, known));
        else if (found[own] !== undefined) fault(key as YamlNode, `${what} has two ${name}`);
        else found[own] = (value ?? key) as YamlNode;
      }
      return found;
    },
    entries(node, what, max) {
      if (!isMap(node)) {
        wrong(node, what, 'a map');
        return [];
      }
      if (node.items.length > max) fault(node, `${what}: at most ${max}`);
      const found: [YamlText, YamlNode][] = [];
      const names = new Set<string>();
      for (const { key, value } of node.items.slice(0, max)) {
        const name = readText(key as YamlNode, `a name in ${what}`);
        if (name === undefined) continue;
        if (names.has(name.text)) fault(name.node, `${what} has two ${name.text}`);
        names.add(name.text);
        found.push([name, (value ?? key) as YamlNode]);
      }
      return found;
    },
    items(node, what, max) {
      if (!isSeq(node)) {
        wrong(node, what, 'a list');
        return [];
      }
      if (node.items.length > max) fault(node, `${what}: at most ${max}`);
      return node.items.slice(0, max) as YamlNode[];
    },
    text: readText,
    flag(node, what) {
      if (isScalar(node) && typeof node.value === 'boolean') return node.value;
      fault(node, `${what} has to be true or false`);
      return undefined;
    },
  };
}

function unknownKey(name: string, what: string, known: readonly string[]): string {
  const near = closestWord(name, known);
  const has = `it has ${known.join(', ')}`;
  const unknown = `${what} has no ${JSON.stringify(name)}`;
  return near === undefined ? `${unknown}; ${has}` : `${unknown}: ${near}, perhaps? (${has})`;
}

function parseContents(
  text: string,
  lineCounter: LineCounter,
  fault: (offset: number, message: string) => void,
): YamlNode | undefined {
  let document: Document.Parsed<ParsedNode>;
  try {
    document = parseDocument(text, {
      lineCounter,
      prettyErrors: false,
      // With 'silent' it says nothing of a second document.
      logLevel: 'error',
      // Holds each key of a map against all others; ours are looked at as they are read.
      uniqueKeys: false,
    });
  } catch (cause) {
    // Its composer goes one call deeper with each nested level.
    fault(0, `the file cannot be read as YAML: ${messageOf(cause)}`);
    return undefined;
  }
  let before: string | undefined;
  for (const { code, pos, message } of document.errors) {
    // It says some things once for each level that they end.
    const said = `${pos[0]} ${message}`;
    if (said !== before) fault(pos[0], OWN_WORDS[code] ?? message);
    before = said;
  }
  return document.contents ?? undefined;
}
