// `tailrace dead-letters show`: one letter with its payload, as text where it is text.
import { isUtf8 } from 'node:buffer';
import { Command } from 'commander';
import { readConfig } from '../../lib/config.ts';
import { TailraceError } from '../../lib/errors.ts';
import { createLog } from '../../lib/log.ts';
import { deadLetterView } from '../../query/routes/dead-letters.ts';
import { type DeadLetterRecord, listDeadLetters } from '../../store/dead-letters-list.ts';
import { withDatabase } from '../database.ts';
import { readId } from './choice.ts';

interface Options {
  readonly json?: boolean;
  readonly raw?: boolean;
}

/** Bytes of a payload that are shown to people; --raw has all of it. */
const SHOWN_BYTES = 64 * 1024;

export function showCommand(): Command {
  return new Command('show')
    .description('show a dead letter: why it is one, and its payload')
    .argument('<id>', 'number of the letter', readId)
    .option('--json', 'as one JSON object')
    .option('--raw', 'its payload alone, byte by byte')
    .action(async (id: number, options: Options) => {
      const config = readConfig(process.env);
      const { letters } = await withDatabase(config, createLog(config.LOG_LEVEL), (database) =>
        listDeadLetters(database, { ids: [id] }, 1),
      );
      const [letter] = letters;
      if (letter === undefined) throw new TailraceError('not_found', `There is no letter ${id}.`);
      if (options.raw === true) process.stdout.write(letter.payload);
      else if (options.json !== true) process.stdout.write(asText(letter));
      else process.stdout.write(`${JSON.stringify(deadLetterView(letter))}\n`);
    });
}

function asText(letter: DeadLetterRecord): string {
  const { id, received_us, tenant, topic, content_type, code, reason, payload } = letter;
  const time = (ms: number) => new Date(ms).toISOString();
  const lines: readonly (readonly [string, string])[] = [
    ['letter', String(id)],
    ['received', time(received_us / 1_000)],
    ['topic', JSON.stringify(topic)],
    ['tenant', tenant === null ? 'none' : JSON.stringify(tenant)],
    ...(content_type === null ? [] : [['type', JSON.stringify(content_type)] as const]),
    ['code', code],
    ['reason', reason],
    ['readings', String(letter.readings)],
    ...replayLines(letter, time),
    ['payload', `${payload.length} bytes`],
  ];
  const head = lines.map(([name, text]) => `${name.padEnd(9)} ${text}`).join('\n');
  return `${head}\n\n${payloadText(payload)}`;
}

function replayLines(
  { requested_ms, replayed_ms, attempts, outcome, outcomes }: DeadLetterRecord,
  time: (ms: number) => string,
): (readonly [string, string])[] {
  if (replayed_ms === null) {
    return requested_ms === null ? [] : [['replay', `asked for at ${time(requested_ms)}`]];
  }
  const counts = Object.entries(outcomes ?? {}).filter(([, count]) => count > 0);
  const said = counts.map(([name, count]) => `${count} ${name}`).join(', ');
  return [['replay', `${outcome} at ${time(replayed_ms)}, attempt ${attempts} (${said})`]];
}

/** Signs that a terminal would act on make it no text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSHOWABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

/** A payload for people's eyes: as it is, or as a hex dump. */
function payloadText(payload: Buffer): string {
  const text = isUtf8(payload) ? payload.toString() : undefined;
  const isText = text !== undefined && !UNSHOWABLE.test(text.replaceAll('\r\n', '\n'));
  const shown = isText ? text.slice(0, SHOWN_BYTES) : hexDump(payload.subarray(0, SHOWN_BYTES / 4));
  const isAll = isText ? shown.length === text.length : payload.length <= SHOWN_BYTES / 4;
  return `${shown.endsWith('\n') ? shown : `${shown}\n`}${isAll ? '' : '… (--raw has all of it)\n'}`;
}

const LINE_BYTES = 16;

/** As `hexdump -C` writes it. */
function hexDump(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    const line = bytes.subarray(at, at + LINE_BYTES);
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = line.toString('latin1').replace(/[^ -~]/g, '.');
    const column = hex.padEnd(3 * LINE_BYTES - 1);
    lines.push(`${at.toString(16).padStart(8, '0')}  ${column}  |${text}|`);
  }
  return lines.join('\n');
}
