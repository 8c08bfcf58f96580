// Asks the server as one of the callers, and looks through an answer, byte by byte, for what should not be in it.
import { unpack } from 'msgpackr';
import type { CallerName } from './callers.ts';
import type { Hidden } from './oracle.ts';
import type { World } from './world.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** As text; MessagePack as the JSON of what it says. */
  readonly text: string;
  /** The body as it came (after decompression), one character a byte. */
  readonly bytes: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers freely
  readonly json: any;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Asks; `name` undefined for somebody without a token. */
export async function ask(
  world: World,
  name: CallerName | undefined,
  path: string,
  { method = 'GET', headers = {}, body }: AskOptions = {},
): Promise<Answer> {
  const bearer = name === undefined ? {} : { authorization: `Bearer ${await world.token(name)}` };
  const response = await fetch(`${world.server.url}${path}`, {
    method,
    headers: { ...bearer, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  const isJson = /json$/.test(type) && !/ndjson/.test(type);
  const packed = type === 'application/msgpack' && bytes.length > 0 ? unpack(bytes) : undefined;
  const text = packed === undefined ? bytes.toString() : JSON.stringify(packed);
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    bytes: bytes.toString('latin1'),
    text,
    json: packed ?? (isJson && text !== '' ? JSON.parse(text) : undefined),
  };
}

/** Bytes of dead letters, as text. */
function* bytesIn(text: string): Generator<string> {
  for (const [, bytes = ''] of text.matchAll(/"bytes":"([\w+/=]*)"/g)) {
    yield Buffer.from(bytes, 'base64').toString();
  }
}

const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;
const RFC_3339 = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z/g;
const STATE = /state-[\d.]+/g;

function* numbersIn(text: string): Generator<number> {
  for (const [number] of text.matchAll(NUMBER)) yield Number(number);
  for (const [, seconds, fraction = ''] of text.matchAll(RFC_3339)) {
    yield Math.round((Date.parse(`${seconds}Z`) + Number(`0${fraction}`) * 1_000) * 1_000) / 1_000;
  }
}

/** What of the hidden things stands in a text. What the question itself said may be said back. */
export function leaksIn(text: string, hidden: Hidden, question = ''): string[] {
  const found = hidden.texts
    .filter((one) => text.includes(one) && !question.includes(one))
    .map((one) => `the text ${one}`);
  for (const [state] of text.matchAll(STATE)) {
    if (hidden.states.has(state)) found.push(`the value ${state}`);
  }
  for (const number of numbersIn(text)) {
    if (hidden.numbers.has(number)) found.push(`the number ${number}`);
  }
  for (const [, id] of text.matchAll(/"(?:id|series)":(\d+),"asset"/g)) {
    if (hidden.ids.has(Number(id))) found.push(`the series ${id}`);
  }
  return [...new Set(found)];
}

/** What an answer gives away, in its body, the bytes of it, and its headers. */
export function leaksOf(answer: Answer, hidden: Hidden, question: string): string[] {
  const asked = decodeURIComponent(question);
  const headers = decodeURIComponent(JSON.stringify(answer.headers));
  const texts = [answer.text, headers, ...bytesIn(answer.text)];
  const found = texts.flatMap((text) => leaksIn(text, hidden, asked));
  // The bytes of what was unpacked: names stand there as they are.
  const bytes =
    answer.bytes === answer.text ? [] : hidden.texts.filter((one) => answer.bytes.includes(one));
  return [...found, ...bytes.filter((one) => !asked.includes(one))];
}
