// `tailrace doctor topic`: which rule takes a topic, and what a payload of it gives, without a broker or a database.
import { open } from 'node:fs/promises';
import { Command } from 'commander';
import { type InspectedReading, type Inspection, inspectMessage } from '../../ingest/inspect.ts';
import { parseRules, readRuleText } from '../../ingest/topics/read-rules.ts';
import { DEFAULT_RULES, type TopicRules } from '../../ingest/topics/rules.ts';
import type { TopicTarget } from '../../ingest/topics/target.ts';
import { systemClock } from '../../lib/clock.ts';
import { readConfig } from '../../lib/config.ts';
import { messageOf, TailraceError } from '../../lib/errors.ts';

interface TopicOptions {
  readonly rules?: string;
  readonly contentType?: string;
  readonly json?: true;
}

/** What brokers and the HTTP interface take. */
const PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;
/** Of readings and faults, for people; scripts get all of them. */
const SHOWN_MAX = 50;

export function topicCommand(): Command {
  return new Command('topic')
    .description('show which rule takes a topic, and what readings a payload gives')
    .argument('<topic>', 'as a device would publish to it')
    .argument('[payload]', 'a file with what it would publish; - is standard input')
    .option(
      '--rules <file>',
      'topic rules (TOPIC_RULES unless given; without these the default rule)',
    )
    .option('--content-type <type>', 'what MQTT 5 or HTTP would say of the payload')
    .option('--json', 'as one JSON object; times in ms since 1970')
    .action(async (topic: string, payload: string | undefined, _: TopicOptions, own: Command) => {
      await inspect(topic, payload, own.optsWithGlobals<TopicOptions>());
    });
}

async function inspect(
  topic: string,
  file: string | undefined,
  options: TopicOptions,
): Promise<void> {
  checkTopic(topic);
  const rules = await openRules(options.rules ?? readConfig(process.env).TOPIC_RULES);
  const { contentType } = options;
  const inspection = inspectMessage(rules, {
    topic,
    receivedUs: systemClock() * 1_000,
    ...(file === undefined ? {} : { payload: await readPayload(file) }),
    ...(contentType === undefined ? {} : { contentType }),
  });
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify(reportOf(topic, inspection))}\n`
      : describe(topic, inspection, file !== undefined),
  );
  if (inspection.faults.length > 0) process.exitCode = 1;
}

/** @throws TailraceError `usage` for what no device can publish to (MQTT 5 clause 4.7). */
function checkTopic(topic: string): void {
  if (topic !== '' && !/[+#\0]/.test(topic) && Buffer.byteLength(topic) <= 65_535) return;
  throw new TailraceError(
    'usage',
    `${JSON.stringify(topic)} is no topic: + and # are for filters.`,
  );
}

async function openRules(path: string | undefined): Promise<TopicRules> {
  return path === undefined ? DEFAULT_RULES : parseRules(await readRuleText(path), path).rules;
}

async function readPayload(path: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    const file = path === '-' ? undefined : await open(path);
    for await (const chunk of file?.createReadStream() ?? process.stdin) {
      bytes += (chunk as Buffer).length;
      if (bytes > PAYLOAD_BYTES_MAX) throw new Error(`more than ${PAYLOAD_BYTES_MAX} bytes`);
      chunks.push(chunk as Buffer);
    }
  } catch (cause) {
    throw new TailraceError('usage', `The payload ${path} cannot be read: ${messageOf(cause)}.`, {
      cause,
    });
  }
  return Buffer.concat(chunks);
}

function reportOf(topic: string, { match, readings, ignored, faults }: Inspection) {
  return {
    topic,
    taken: match.kind !== 'fault',
    rule: match.rule ?? null,
    dropped: match.kind === 'drop',
    ...(match.kind === 'target' ? targetReport(match.target) : {}),
    readings: readings.map(({ timeUs, value, quality, ...reading }) => ({
      ...reading,
      t: timeUs / 1_000,
      v: value,
      q: quality,
    })),
    ignored,
    faults,
  };
}

function targetReport({ timeZone, unit, units, format, ...place }: TopicTarget) {
  return {
    ...place,
    format: format ?? null,
    time_zone: timeZone ?? null,
    unit: unit ?? null,
    units: units ?? {},
  };
}

function describe(topic: string, inspection: Inspection, hasPayload: boolean): string {
  const { match, readings, ignored, faults } = inspection;
  const lines = [`topic     ${topic}`, `rule      ${ruleText(match)}`];
  if (match.kind === 'target') lines.push(...describeTarget(match.target));
  if (match.kind === 'drop') lines.push('what comes is received and ignored');
  else if (hasPayload) {
    lines.push(`readings  ${readings.length}, ignored ${ignored}, faults ${faults.length}`);
    lines.push(...shown(readings.map(describeReading)));
  }
  lines.push(...shown(faults.map(({ code, reason }) => `fault     ${code}: ${reason}`)));
  return `${lines.join('\n')}\n`;
}

function ruleText({ kind, rule }: Inspection['match']): string {
  if (rule === 'default') return 'the default one, t/{tenant}/{asset}/{channel…}';
  return rule === undefined
    ? 'none'
    : `${rule}${kind === 'fault' ? ', whose names cannot be' : ''}`;
}

function describeTarget(target: TopicTarget): string[] {
  const { tenant, asset, channel, labels, format, timeZone, unit, units = {} } = target;
  const perKey = Object.entries(units).map(([key, one]) => `${key} in ${one}`);
  const all = {
    tenant,
    asset,
    channel: channel === '' ? 'the keys of the payload' : channel,
    labels: describeLabels(labels),
    format: format ?? 'by content type or by looking',
    zone: timeZone ?? '',
    unit: [...(unit === undefined ? [] : [unit]), ...perKey].join(', '),
  };
  return Object.entries(all)
    .filter(([, text]) => text !== '')
    .map(([name, text]) => `${name.padEnd(9)} ${text}`);
}

function describeLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(' ');
}

function describeReading(reading: InspectedReading): string {
  const { channel, labels, unit, timeUs, value, quality } = reading;
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  const parts = [
    `  ${timeText(timeUs)}`,
    channel,
    `${text}${unit === null ? '' : ` ${unit}`}`,
    ...(quality === 0 ? [] : [`quality ${quality}`]),
    describeLabels(labels),
  ];
  return parts.join('  ').trimEnd();
}

/** RFC 3339, to the microsecond where there are any. */
function timeText(timeUs: number): string {
  const ms = Math.floor(timeUs / 1_000);
  const us = Math.round(timeUs - ms * 1_000);
  const text = new Date(ms).toISOString();
  return us === 0 ? text : text.replace('Z', `${String(us).padStart(3, '0')}Z`);
}

function shown(lines: readonly string[]): string[] {
  const left = lines.length - SHOWN_MAX;
  return left > 0 ? [...lines.slice(0, SHOWN_MAX), `  and ${left} more`] : [...lines];
}
