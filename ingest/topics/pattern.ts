// The pattern of a topic rule: which topics it takes, level by level, and what its named parts stand for.

/** What stands for something within one level: `+`, `{name}`, or text and names together as in line-{line}. */
export interface Wild {
  /** `texts[0]` comes first, then a part, then `texts[1]` and so on; ['', ''] is a whole level. */
  readonly texts: readonly string[];
  /** Names of the parts; undefined for `+`. */
  readonly names: readonly (string | undefined)[];
}

/** A level of a pattern: its text, or what stands for something. */
export type Level = string | Wild;

/** What a pattern says of the levels that are left: nothing, any number, or one at least. */
export type Rest = 'none' | 'any' | 'some';

export interface Pattern {
  readonly levels: readonly Level[];
  /** `#` takes none too, as in MQTT; `{name…}` is there for a value, so it takes one level at least. */
  readonly rest: Rest;
  /** Of the rest; undefined where it has none. */
  readonly restName: string | undefined;
  /** Of all parts, in their order. */
  readonly names: readonly string[];
}

/** What is wrong at a place of a text, counted in UTF-16 units. */
export interface TextFault {
  readonly at: number;
  readonly message: string;
}

/** Every topic of MQTT is shorter. */
const PATTERN_BYTES_MAX = 65_535;
/** The embedded broker and others take no topic of more. */
const LEVELS_MAX = 100;

const PART = /\{([^{}]*)\}/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const REST = /^(.*?)(?:\.\.\.|…)$/;
const NAME_RULE = 'a name is letters, digits and _, and does not begin with a digit';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\p{Cs}]/u;

/** Whether a level is a whole one that stands for anything. */
export function isWhole({ texts }: Wild): boolean {
  return texts.length === 2 && texts[0] === '' && texts[1] === '';
}

/** Reads a pattern. Gives it, or everything that is wrong with it. */
export function parsePattern(text: string): Pattern | readonly TextFault[] {
  const faults: TextFault[] = [];
  const names: string[] = [];
  const levels: Level[] = [];
  let rest: Rest = 'none';
  let restName: string | undefined;
  const parts = text.split('/');
  let at = 0;
  for (const [index, part] of parts.entries()) {
    const start = at;
    at += part.length + 1;
    const isLast = index === parts.length - 1;
    const ending = readRest(part);
    if (ending === undefined) {
      levels.push(readLevel(part, start, names, faults));
      continue;
    }
    rest = ending.name === undefined ? 'any' : 'some';
    restName = ending.name;
    if (!isLast) faults.push({ at: start, message: `${part} has to be the last level` });
    if (ending.name !== undefined) takeName(ending.name, start, names, faults);
  }
  faults.push(...wholeFaults(text, levels));
  return faults.length > 0 ? faults : { levels, rest, restName, names };
}

/** What stands for all levels that are left, if the level is that. */
function readRest(level: string): { name: string | undefined } | undefined {
  if (level === '#') return { name: undefined };
  const inner = /^\{([^{}]*)\}$/.exec(level)?.[1];
  const name = inner === undefined ? undefined : REST.exec(inner)?.[1];
  return name === undefined ? undefined : { name };
}

function readLevel(level: string, start: number, names: string[], faults: TextFault[]): Level {
  if (level === '+') return { texts: ['', ''], names: [undefined] };
  const texts: string[] = [];
  const own: string[] = [];
  let from = 0;
  for (const part of level.matchAll(PART)) {
    const before = level.slice(from, part.index);
    const name = part[1] ?? '';
    if (before === '' && texts.length > 0) {
      const message = 'between two parts of one level there has to be a text that tells them apart';
      faults.push({ at: start + part.index, message });
    }
    if (REST.test(name)) {
      const message = `{${name}} stands for whole levels: it has to be the last level, by itself`;
      faults.push({ at: start + part.index, message });
    } else {
      takeName(name, start + part.index, names, faults);
    }
    texts.push(before);
    own.push(name);
    from = part.index + part[0].length;
  }
  const last = level.slice(from);
  texts.push(last);
  faults.push(...textFaults(texts, start));
  return own.length === 0 ? last : { texts, names: own };
}

function takeName(name: string, at: number, names: string[], faults: TextFault[]): void {
  if (!NAME.test(name)) faults.push({ at, message: `{${name}} is no part: ${NAME_RULE}` });
  else if (names.includes(name)) faults.push({ at, message: `there are two parts {${name}}` });
  names.push(name);
}

function textFaults(texts: readonly string[], at: number): TextFault[] {
  const text = texts.join(' ');
  const faults: TextFault[] = [];
  if (/[{}]/.test(text)) faults.push({ at, message: 'a brace has no partner: parts are {name}' });
  if (/[+#]/.test(text)) {
    faults.push({ at, message: '+ and # stand for whole levels: they cannot be part of one' });
  }
  if (CONTROLS.test(text)) {
    faults.push({ at, message: 'control characters and broken text are in no topic' });
  }
  return faults;
}

function wholeFaults(text: string, levels: readonly Level[]): TextFault[] {
  const faults: TextFault[] = [];
  if (text === '') faults.push({ at: 0, message: 'the pattern is empty' });
  if (Buffer.byteLength(text) > PATTERN_BYTES_MAX) {
    faults.push({ at: 0, message: `the pattern is longer than ${PATTERN_BYTES_MAX} bytes` });
  }
  if (levels.length > LEVELS_MAX) {
    faults.push({ at: 0, message: `the pattern has more than ${LEVELS_MAX} levels` });
  }
  const [first] = levels;
  if (typeof first === 'object' && first.texts[0]?.startsWith('$')) {
    // What stands for something at the first level takes no such topics (MQTT 5 clause 4.7.2).
    faults.push({ at: 0, message: 'a first level that begins with $ has to be a text' });
  }
  return faults;
}

/**
 * What the parts of a level stand for, in `texts.length - 1` pieces; undefined where the level is not taken. Each
 * stands for as little as can be, but for a character at least, unless it is the whole level, which may be empty.
 */
export function matchWild(wild: Wild, level: string): readonly string[] | undefined {
  if (isWhole(wild)) return [level];
  const { texts } = wild;
  const first = texts[0] as string;
  const last = texts[texts.length - 1] as string;
  if (!level.startsWith(first) || !level.endsWith(last)) return undefined;
  const end = level.length - last.length;
  const pieces: string[] = [];
  let from = first.length;
  for (let i = 1; i < texts.length - 1; i++) {
    const text = texts[i] as string;
    const found = level.indexOf(text, from + 1);
    if (found === -1) return undefined;
    pieces.push(level.slice(from, found));
    from = found + text.length;
  }
  // What is left belongs to the last part; a found text that reaches beyond leaves nothing.
  if (end - from < 1) return undefined;
  pieces.push(level.slice(from, end));
  return pieces;
}

/** Whether a first level that stands for something may stand for this one: not for topics like $SYS. */
export function isOrdinary(firstLevel: string): boolean {
  return !firstLevel.startsWith('$');
}

/** What the pattern's parts stand for in a topic, by name; undefined where it does not take the topic. */
export function matchPattern(
  pattern: Pattern,
  topic: readonly string[],
): Map<string, string> | undefined {
  const { levels, rest, restName } = pattern;
  const left = topic.length - levels.length;
  if (left < (rest === 'some' ? 1 : 0) || (rest === 'none' && left > 0)) return undefined;
  if (typeof levels[0] !== 'string' && !isOrdinary(topic[0] as string)) return undefined;
  const parts = new Map<string, string>();
  for (const [index, level] of levels.entries()) {
    const given = topic[index] as string;
    if (typeof level === 'string') {
      if (level !== given) return undefined;
      continue;
    }
    const pieces = matchWild(level, given);
    if (pieces === undefined) return undefined;
    for (const [i, name] of level.names.entries()) {
      if (name !== undefined) parts.set(name, pieces[i] as string);
    }
  }
  if (restName !== undefined) parts.set(restName, topic.slice(levels.length).join('/'));
  return parts;
}

/** The narrowest filter of MQTT that covers every topic that the pattern takes. */
export function filterOf({ levels, rest }: Pattern): string {
  const filter = levels.map((level) => (typeof level === 'string' ? level : '+'));
  if (rest !== 'none') filter.push('#');
  return filter.join('/');
}
