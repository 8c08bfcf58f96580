// The file of topic rules from its path to rules that can be asked.
import { open } from 'node:fs/promises';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import { compileRules } from './compile.ts';
import { parseRuleFile } from './rule-file.ts';
import type { TopicRules } from './rules.ts';
import type { Remark } from './yaml-source.ts';

/** Rules with what is known of their file. */
export interface RuleSet {
  readonly rules: TopicRules;
  /** How many there are in the file. */
  readonly size: number;
  readonly defaultRule: boolean;
  /** For people, each with its place. */
  readonly warnings: readonly string[];
}

const FILE_BYTES_MAX = 1_000_000;
/** Of a file that is no file of rules at all, these say enough. */
const FAULTS_SHOWN_MAX = 100;

/** Reads the file's text. @throws TailraceError `topic_rules_unreadable`, `topic_rules_invalid` (too large, no text). */
export async function readRuleText(path: string): Promise<string> {
  const bytes = await readBytes(path);
  if (bytes.length > FILE_BYTES_MAX) {
    throw invalid(path, [`it is larger than ${FILE_BYTES_MAX} bytes`]);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(path, ['it is no UTF-8']);
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      // By what comes, not by what the file says of its size: pipes and devices say 0.
      const buffer = Buffer.alloc(FILE_BYTES_MAX + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(buffer, length, buffer.length - length);
        length += bytesRead;
        if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length);
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new TailraceError(
      'topic_rules_unreadable',
      `The topic rules ${path} cannot be read (${messageOf(cause)}).`,
      { cause },
    );
  }
}

/** Parses and compiles. `path` is how rules and faults call the file. @throws TailraceError `topic_rules_invalid`. */
export function parseRules(text: string, path: string): RuleSet {
  const parsed = parseRuleFile(text);
  const say = ({ line, column, message }: Remark) => `${path}:${line}:${column}: ${message}`;
  if ('faults' in parsed) throw invalid(path, parsed.faults.map(say));
  return {
    rules: compileRules(parsed, path),
    size: parsed.rules.length,
    defaultRule: parsed.defaultRule,
    warnings: parsed.warnings.map(say),
  };
}

function invalid(path: string, faults: readonly string[]): TailraceError {
  const shown = faults.slice(0, FAULTS_SHOWN_MAX);
  const left = faults.length - shown.length;
  if (left > 0) shown.push(`and ${left} more`);
  return new TailraceError(
    'topic_rules_invalid',
    `The topic rules ${path} cannot be used:\n${shown.join('\n')}`,
    { details: { faults: shown } },
  );
}
