// docs/payloads.md says what it says: its examples are run.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CONTEXT } from '../../test/payloads/decoding.ts';
import { createPayloadDecoder } from './decode.ts';

const PAGE = readFileSync(new URL('../../docs/payloads.md', import.meta.url), 'utf8');
const EXAMPLE = /```payload ?(hex)? ?(\S*)\n([\s\S]*?)\n```\n```readings\n([\s\S]*?)\n```/g;
const EXAMPLES = [...PAGE.matchAll(EXAMPLE)].map(([, hex, contentType, payload, readings]) => ({
  payload: payload ?? '',
  bytes: hex ? Buffer.from((payload ?? '').replace(/\s/g, ''), 'hex') : Buffer.from(payload ?? ''),
  contentType: contentType ?? '',
  readings: readings ?? '',
}));

function shown(timeUs: number): string {
  if (timeUs === CONTEXT.defaultTimeUs) return 'now';
  const text = new Date(Math.floor(timeUs / 1000)).toISOString();
  const us = timeUs % 1000;
  return us === 0 ? text : text.replace('Z', `${String(us).padStart(3, '0')}Z`);
}

/** What a payload becomes, as the page writes it. */
function linesOf(payload: Uint8Array, contentType: string): string[] {
  const lines: string[] = [];
  let labels = '';
  const add = (key: string, timeUs: number, value: number | string, quality: number) => {
    const channel = key === '' ? 'p' : `p/${key}`;
    const more = [labels, quality === 0 ? '' : `q=${quality}`].filter((text) => text !== '');
    lines.push([channel, shown(timeUs), JSON.stringify(value), ...more].join('  '));
  };
  const fault = createPayloadDecoder()({ payload, contentType }, CONTEXT, {
    number: add,
    state: add,
    ignored: () => lines.push('ignored'),
    fault: ({ code, reason }) => lines.push(`${code}: ${reason}`),
    labelled(_text, parse) {
      const pairs = Object.entries(parse()).map(([key, value]) => `${key}="${value}"`);
      labels = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
    },
  });
  return fault === undefined ? lines : [`${fault.code}: ${fault.reason}`];
}

it.each(EXAMPLES)('$payload', ({ bytes, contentType, readings }) => {
  expect(linesOf(bytes, contentType).join('\n')).toBe(readings);
});

it('no example of the page is left out', () => {
  expect(EXAMPLES.length).toBe(PAGE.split('```payload').length - 1);
  expect(EXAMPLES.length).toBeGreaterThan(10);
});
