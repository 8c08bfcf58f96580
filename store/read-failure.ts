// What a failed read means to whoever asked.
import { messageOf, TailraceError } from '../lib/errors.ts';
import { classifyFailure, codeOf } from './write-failure.ts';

/**
 * Throws what was thrown while reading as what an answer can say.
 * @throws TailraceError `database_not_migrated`, `database_unavailable`; anything else as it is.
 */
export function throwReadable(cause: unknown): never {
  const code = codeOf(cause);
  // undefined_table, undefined_column
  if (code === '42P01' || code === '42703') {
    throw new TailraceError(
      'database_not_migrated',
      'The database is of an older version: run tailrace migrate.',
      { cause },
    );
  }
  const failure = classifyFailure(cause);
  const isGone = failure === 'unavailable' || /CONNECT/.test(messageOf(cause));
  if (!isGone && failure !== 'cancelled') throw cause;
  throw new TailraceError('database_unavailable', 'Ask again in a moment.', { cause });
}
