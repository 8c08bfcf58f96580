// Pages of raw points: where the last one ended, and of which question. The domain stands in the page as well, because
// `now` is another time when the next page is asked for.
import { createHash } from 'node:crypto';
import type { RawPosition } from '../../store/range/range.ts';
import { invalidParameter } from '../parameters.ts';

export interface Page {
  readonly startUs: number;
  readonly endUs: number;
  readonly after: RawPosition;
}

/** What makes a question the same one: its parameters as written, without the page and the number of points. */
export function questionOf(query: URLSearchParams): string {
  const parameters = [...query].filter(([name]) => name !== 'page' && name !== 'limit').sort();
  return createHash('sha256').update(JSON.stringify(parameters)).digest('base64url').slice(0, 16);
}

/** Writes a page as clients carry it. */
export function encodePage(question: string, page: Page): string {
  const { startUs, endUs, after } = page;
  const fields = [question, startUs, endUs, after.seriesId, after.timeUs];
  return Buffer.from(JSON.stringify(fields)).toString('base64url');
}

/** @throws TailraceError `bad_parameter` for anything that was not made for this question. */
export function decodePage(text: string, question: string): Page {
  const fields = parse(text);
  if (fields === undefined || fields[0] !== question) {
    throw invalidParameter('page', 'is of another query, or not what an answer gave as next');
  }
  const [, startUs, endUs, seriesId, timeUs] = fields;
  return { startUs, endUs, after: { seriesId, timeUs } };
}

function parse(text: string): [string, number, number, number, number] | undefined {
  try {
    const fields: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (!Array.isArray(fields) || fields.length !== 5) return undefined;
    const [question, ...numbers] = fields as unknown[];
    if (typeof question !== 'string' || !numbers.every(Number.isSafeInteger)) return undefined;
    return [question, ...numbers] as [string, number, number, number, number];
  } catch {
    return undefined;
  }
}
