// `tailrace token`: a token signed with the local key, for devices, people and scripts, where no JWKS is configured.
import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { type Config, readConfig } from '../lib/config.ts';
import { parseDuration } from '../lib/duration.ts';
import { TailraceError } from '../lib/errors.ts';
import { readBundleFile, shippedBundlePath } from '../policies/bundles/bundle.ts';
import { issueToken } from '../policies/tokens/issue.ts';
import { openSigningKey } from '../policies/tokens/signing-key.ts';
import { signsLocally, tokenProfile } from './tokens.ts';

interface TokenOptions {
  readonly tenant: string;
  readonly role: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  readonly claim: Readonly<Record<string, unknown>>;
  readonly json?: true;
}

const TTL_DEFAULT_S = 3_600;
const TTL_MAX_S = 3650 * 86_400;

export function tokenCommand(): Command {
  return new Command('token')
    .description('make a token, signed with the key in DATA_DIR')
    .requiredOption('--tenant <name>', 'the tenant that its bearer belongs to', parseTenant)
    .requiredOption('--role <name>', 'viewer, operator, admin or device; repeatable', addRole)
    .option(
      '--ttl <duration>',
      'how long it is good for: 30s, 15m, 1h, 7d, 2w (an hour unless given)',
      parseTtl,
    )
    .option(
      '--claim <name=value>',
      'a further claim, its value JSON or else text; repeatable (assets=\'["rig-1"]\' lists assets)',
      addClaim,
      {},
    )
    .option('--json', 'as one JSON object: token, expires_at and claims')
    .action((options: TokenOptions) => printToken(options, readConfig(process.env)));
}

async function printToken(options: TokenOptions, config: Config): Promise<void> {
  if (!signsLocally(config)) {
    throw new TailraceError(
      'jwks_configured',
      'Tokens come from whoever holds the keys of the configured JWKS or issuer: a token made here would be ' +
        'refused. Unset JWKS_URL and JWKS_FILE to use the local key.',
    );
  }
  const { tenant, role: roles, claim } = options;
  const ttlS = lifetimeOf(options, config);
  await warnOfUnknownRoles(roles, config);
  const key = await openSigningKey(config.DATA_DIR);
  const order = { tenant, roles, ttlS, claims: claim, nowMs: systemClock() };
  const { token, claims } = await issueToken(key, tokenProfile(config), order);
  if (options.json !== true) {
    process.stdout.write(`${token}\n`);
    return;
  }
  const expires_at = Number(claims.exp) * 1000;
  process.stdout.write(`${JSON.stringify({ token, expires_at, claims })}\n`);
}

/** Seconds. @throws TailraceError `usage` where a token that is good for so long would be refused. */
function lifetimeOf({ ttl }: TokenOptions, { JWT_LIFETIME_MAX }: Config): number {
  const maxS = Math.floor((JWT_LIFETIME_MAX ?? Number.POSITIVE_INFINITY) / 1_000);
  if (ttl === undefined) return Math.min(TTL_DEFAULT_S, maxS);
  if (ttl <= maxS) return ttl;
  throw new TailraceError(
    'usage',
    `JWT_LIFETIME_MAX is ${maxS} s: a token made for longer is refused.`,
  );
}

/** A role is good for what the rules in force say of it; one that they do not know is good for nothing. */
async function warnOfUnknownRoles(roles: readonly string[], config: Config): Promise<void> {
  const known = await knownRoles(config.POLICY_BUNDLE ?? shippedBundlePath());
  const unknown = roles.filter((role) => known?.includes(role) === false);
  if (unknown.length === 0) return;
  process.stderr.write(
    `tailrace: the policy knows no role ${unknown.join(', ')}; it has ${known?.join(', ')}\n`,
  );
}

/** Names of roles in a bundle's data; undefined where it is elsewhere, cannot be read, or has no such table. */
async function knownRoles(path: string): Promise<string[] | undefined> {
  if (/^https?:/i.test(path)) return undefined;
  try {
    const { roles } = (await readBundleFile(path)).data;
    return typeof roles === 'object' && roles !== null ? Object.keys(roles) : undefined;
  } catch {
    return undefined;
  }
}

/** A tenant is one level of a topic. */
function parseTenant(text: string): string {
  if (/^[^/+#\s]+$/.test(text)) return text;
  throw new InvalidArgumentError('A tenant has no slash, plus, hash or space in its name.');
}

function addRole(role: string, roles: readonly string[] = []): string[] {
  if (role === '') throw new InvalidArgumentError('A role has a name.');
  return [...roles, role];
}

function parseTtl(text: string): number {
  const seconds = (parseDuration(text) ?? Number.NaN) / 1_000;
  if (seconds >= 1 && seconds <= TTL_MAX_S) return seconds;
  throw new InvalidArgumentError(
    'Write a duration up to ten years such as 30s, 15m, 1h, 7d or 2w.',
  );
}

function addClaim(
  text: string,
  claims: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const equals = text.indexOf('=');
  if (equals < 1) throw new InvalidArgumentError('Write a claim as name=value.');
  return { ...claims, [text.slice(0, equals)]: jsonOrText(text.slice(equals + 1)) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
