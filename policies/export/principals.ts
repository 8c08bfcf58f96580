// Reads who has an account at an outside broker: user names with the claims that their tokens would carry.
import { z } from 'zod';
import { messageOf, TailraceError } from '../../lib/errors.ts';
import type { Claims } from '../grant.ts';

/** An account at a broker. */
export interface Principal {
  readonly username: string;
  readonly claims: Claims;
}

/** For claims that do not say when they end: the last second of the year 9999. */
const NO_END_S = 253_402_300_799;

const principalSchema = z.strictObject({
  username: z.string().min(1).max(1000),
  claims: z.looseObject({
    sub: z.string().min(1).optional(),
    tenant: z.string().min(1),
    roles: z.array(z.string()),
    exp: z.number().optional(),
    jti: z.string().optional(),
  }),
});

/**
 * Reads a JSON list of `{"username","claims"}`, or one such object a line. `sub` is the user name where the claims have
 * none, and claims without `exp` do not end. @throws TailraceError `principals_invalid`, naming each wrong entry.
 */
export function readPrincipals(text: string): readonly Principal[] {
  const entries = text.trimStart().startsWith('[') ? [parseJson(text, 'the list')] : lines(text);
  const faults: string[] = [];
  const principals: Principal[] = [];
  const usernames = new Set<string>();
  for (const [index, entry] of entries.flat().entries()) {
    const parsed = principalSchema.safeParse(entry);
    if (!parsed.success) {
      faults.push(
        ...parsed.error.issues.map((issue) => `${place(index, issue.path)}${issue.message}`),
      );
      continue;
    }
    const { username, claims } = parsed.data;
    if (usernames.has(username))
      faults.push(`${place(index, [])}user ${JSON.stringify(username)} comes twice`);
    usernames.add(username);
    const { sub = username, exp = NO_END_S, jti, ...others } = claims;
    principals.push({
      username,
      claims: { ...others, sub, exp, ...(jti === undefined ? {} : { jti }) },
    });
  }
  if (faults.length > 0) throw invalid(faults.join('\n'));
  return principals;
}

function lines(text: string): unknown[] {
  return text
    .split('\n')
    .flatMap((line, index) => (line.trim() === '' ? [] : parseJson(line, `line ${index + 1}`)));
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw invalid(`${what} is no JSON: ${messageOf(thrown)}`);
  }
}

function place(index: number, path: readonly PropertyKey[]): string {
  return `entry ${[index + 1, ...path.map(String)].join('.')}: `;
}

function invalid(faults: string): TailraceError {
  return new TailraceError('principals_invalid', `The principals cannot be used:\n${faults}`);
}
