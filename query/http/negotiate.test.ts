import { describe, expect, it } from 'vitest';
import { chooseEncoding, chooseType } from './negotiate.ts';

const OFFERED = ['application/json', 'text/csv'] as const;

describe('negotiation', () => {
  it.each<[accept: string | undefined, type: string | undefined]>([
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/csv', 'text/csv'],
    ['TEXT/CSV; charset=utf-8', 'text/csv'],
    ['text/*, application/json;q=0.5', 'text/csv'],
    ['application/json;q=0, */*', 'text/csv'],
    ['text/csv;q=nonsense, application/json;q=0.1', 'application/json'],
    ['image/png', undefined],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
  ])('of %j gives %s', (accept, type) => {
    expect(chooseType(accept, OFFERED)).toBe(type);
  });

  it.each<[accept: string | undefined, encoding: string]>([
    [undefined, 'identity'],
    ['gzip, deflate', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['br;q=0.5, gzip', 'gzip'],
    ['br;q=0, *', 'gzip'],
    ['zstd', 'identity'],
    ['identity', 'identity'],
  ])('of encodings %j gives %s', (accept, encoding) => {
    expect(chooseEncoding(accept)).toBe(encoding);
  });
});
