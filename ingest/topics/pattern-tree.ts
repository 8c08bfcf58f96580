// Patterns by their levels in a tree, so that finding the first that takes a topic costs a step a level and not a test a
// rule. The same walk tells whether a pattern is covered by an earlier one: a topic is a pattern without parts.
import { isOrdinary, isWhole, type Level, matchWild, type Pattern, type Wild } from './pattern.ts';

export interface PatternTree {
  /** Adds a pattern under a number; of two that take the same, the smaller number counts. */
  add(pattern: Pick<Pattern, 'levels' | 'rest'>, index: number): void;
  /** The smallest number of a pattern that takes the topic, given by its levels; undefined for none. */
  first(topic: readonly string[]): number | undefined;
  /** The smallest number of a pattern that takes every topic that this one takes. Finds no cover made of several. */
  cover(pattern: Pick<Pattern, 'levels' | 'rest'>): number | undefined;
}

interface Edge {
  readonly wild: Wild;
  readonly node: Node;
}

interface Node {
  /** The smallest number in all of the tree below: what cannot do better is not looked at. */
  least: number;
  readonly texts: Map<string, Node>;
  whole: Node | undefined;
  readonly mixed: MixedEdges;
  /** Numbers of the patterns that end here, or go on as they say. */
  end: number;
  any: number;
  some: number;
}

/** Levels like line-{line}, by the text that they begin with, else by the one that they end with. */
interface MixedEdges {
  readonly byStart: Map<string, Edge[]>;
  readonly byEnd: Map<string, Edge[]>;
  /** Lengths of these texts, each once. */
  readonly startLengths: number[];
  readonly endLengths: number[];
}

const NONE = Number.POSITIVE_INFINITY;

function createNode(): Node {
  return {
    least: NONE,
    texts: new Map(),
    whole: undefined,
    mixed: { byStart: new Map(), byEnd: new Map(), startLengths: [], endLengths: [] },
    end: NONE,
    any: NONE,
    some: NONE,
  };
}

function isSame(a: Wild, b: Wild): boolean {
  return a.texts.length === b.texts.length && a.texts.every((text, i) => text === b.texts[i]);
}

/** Where the edge of a level stands, and under which text. */
function shelfOf(mixed: MixedEdges, { texts }: Wild) {
  const start = texts[0] as string;
  return start === ''
    ? { edges: mixed.byEnd, lengths: mixed.endLengths, text: texts[texts.length - 1] as string }
    : { edges: mixed.byStart, lengths: mixed.startLengths, text: start };
}

function knownMixed(mixed: MixedEdges, wild: Wild): Node | undefined {
  const { edges, text } = shelfOf(mixed, wild);
  return edges.get(text)?.find((known) => isSame(known.wild, wild))?.node;
}

function addMixed(mixed: MixedEdges, wild: Wild): Node {
  const { edges, lengths, text } = shelfOf(mixed, wild);
  if (!lengths.includes(text.length)) lengths.push(text.length);
  const node = createNode();
  edges.set(text, [...(edges.get(text) ?? []), { wild, node }]);
  return node;
}

/** The node below `node` that a level leads to, made where there is none yet. */
function childOf(node: Node, level: Level): Node {
  if (typeof level !== 'string') {
    if (!isWhole(level)) return knownMixed(node.mixed, level) ?? addMixed(node.mixed, level);
    node.whole ??= createNode();
    return node.whole;
  }
  let child = node.texts.get(level);
  if (child === undefined) {
    child = createNode();
    node.texts.set(level, child);
  }
  return child;
}

/** Calls `visit` with every node below `node` that a level of this text leads to over a level of text and parts. */
function visitMixed(mixed: MixedEdges, level: string, visit: (node: Node) => void): void {
  for (const length of mixed.startLengths) {
    if (length >= level.length) continue;
    for (const edge of mixed.byStart.get(level.slice(0, length)) ?? []) {
      if (matchWild(edge.wild, level) !== undefined) visit(edge.node);
    }
  }
  for (const length of mixed.endLengths) {
    if (length >= level.length) continue;
    for (const edge of mixed.byEnd.get(level.slice(level.length - length)) ?? []) {
      if (matchWild(edge.wild, level) !== undefined) visit(edge.node);
    }
  }
}

/** Makes an empty tree. */
export function createPatternTree(): PatternTree {
  const root = createNode();

  /** Whether what stands for something at the first level may stand for this one. */
  function isTaken(level: Level): boolean {
    return typeof level !== 'string' || isOrdinary(level);
  }

  function find({ levels, rest }: Pick<Pattern, 'levels' | 'rest'>): number {
    const isOpen = levels.length === 0 || isTaken(levels[0] as Level);
    let best = NONE;

    function visit(node: Node, depth: number): void {
      if (node.least >= best) return;
      const left = levels.length - depth;
      // What goes on without an end takes what does, and all that is left.
      if (depth > 0 || isOpen) {
        best = Math.min(best, node.any);
        if (left > 0 || rest === 'some') best = Math.min(best, node.some);
      }
      if (left === 0) {
        if (rest === 'none') best = Math.min(best, node.end);
        return;
      }
      const level = levels[depth] as Level;
      const below = (child: Node) => visit(child, depth + 1);
      const wildcards = depth > 0 || isOpen;
      if (typeof level === 'string') {
        const child = node.texts.get(level);
        if (child !== undefined) below(child);
        if (wildcards) visitMixed(node.mixed, level, below);
      } else if (!isWhole(level)) {
        const child = knownMixed(node.mixed, level);
        if (child !== undefined) below(child);
      }
      if (wildcards && node.whole !== undefined) below(node.whole);
    }

    visit(root, 0);
    return best;
  }

  const numberOf = (found: number) => (found === NONE ? undefined : found);
  return {
    add({ levels, rest }, index) {
      let node = root;
      node.least = Math.min(node.least, index);
      for (const level of levels) {
        node = childOf(node, level);
        node.least = Math.min(node.least, index);
      }
      if (rest === 'none') node.end = Math.min(node.end, index);
      else if (rest === 'any') node.any = Math.min(node.any, index);
      else node.some = Math.min(node.some, index);
    },
    first: (topic) => numberOf(find({ levels: topic, rest: 'none' })),
    cover: (pattern) => numberOf(find(pattern)),
  };
}
