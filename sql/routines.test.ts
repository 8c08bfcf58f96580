// The routines of sql/routines: the examples of docs/routines.md to the character, and the same answers as the TypeScript
// that serves ranges.
import { readFileSync } from 'node:fs';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase, type TestDatabase } from '../test/database.ts';

let opened: TestDatabase;
beforeAll(async () => {
  opened = await openTestDatabase();
});
afterAll(() => opened.dispose());

const DOCS = new URL('../docs/routines.md', import.meta.url);
const NUMBERS: readonly number[] = [20, 21, 23, 700, 701, 1700];

interface Example {
  readonly heading: string;
  readonly sql: string;
  /** None: a statement that gives nothing, but is needed by those after it. */
  readonly expected: string | undefined;
}

function examples(): Example[] {
  const text = readFileSync(DOCS, 'utf8');
  const found = text.matchAll(/```sql\n(.*?)```\n(?:\n```text\n(.*?)```\n)?/gs);
  return Array.from(found, ([, sql = '', expected], i) => {
    const heading = text
      .slice(0, text.indexOf(sql))
      .match(/^## .*$/gm)
      ?.at(-1)
      ?.slice(3);
    return { heading: `${heading} (${i})`, sql, expected };
  });
}

/** A result as psql shows it. */
function aligned({ fields, rows }: pg.QueryArrayResult<(string | null)[]>): string {
  const table = [fields.map(({ name }) => name), ...rows.map((row) => row.map((x) => x ?? ''))];
  const widths = fields.map((_, i) => Math.max(...table.map((row) => row[i]!.length)));
  const lines = table.map((row, y) => {
    const cells = row.map((cell, i) => {
      const width = widths[i]!;
      if (y === 0)
        return cell.padStart(cell.length + Math.floor((width - cell.length) / 2)).padEnd(width);
      return NUMBERS.includes(fields[i]!.dataTypeID) ? cell.padStart(width) : cell.padEnd(width);
    });
    return ` ${cells.join(' | ')}`.trimEnd();
  });
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width + 2)).join('+'));
  return `${lines.join('\n')}\n`;
}

const asText = { getTypeParser: () => (text: string) => text };

describe('the examples of docs/routines.md', () => {
  let client: pg.PoolClient;
  beforeAll(async () => {
    client = (await opened.database.writer.connect()) as pg.PoolClient;
    await client.query("begin; set local timezone = 'UTC'");
  });
  afterAll(async () => {
    await client.query('rollback');
    client.release();
  });

  it.each(examples())('$heading', async ({ sql, expected }) => {
    const result = await client.query<(string | null)[]>({
      text: sql,
      rowMode: 'array',
      types: asText,
    });
    if (expected !== undefined) expect(aligned(result)).toBe(expected);
  });
});
