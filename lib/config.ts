// The environment, checked once at start into a configuration that cannot be wrong afterwards.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { parseDuration } from './duration.ts';
import { messageOf, TailraceError } from './errors.ts';

/** Variables that may hold a secret and can therefore be given as a file: `NAME_FILE` instead of `NAME`. */
const SECRETS = [
  'DATABASE_URL',
  'DATABASE_READ_URL',
  'MQTT_URL',
  'REDIS_URL',
  'POLICY_BUNDLE_TOKEN',
] as const;

const port = z
  .string()
  .regex(/^\d{1,5}$/, 'has to be a port number')
  .transform(Number)
  .refine((n) => n <= 65_535, 'has to be a port number, 0 to 65535');

function url(...protocols: string[]): z.ZodString {
  return z
    .string()
    .refine(
      (text) => URL.canParse(text) && protocols.includes(new URL(text).protocol.slice(0, -1)),
      `has to be a URL that begins with ${protocols.map((p) => `${p}://`).join(' or ')}`,
    );
}

const text = z.string().min(1);

/** A duration such as 30s or 24h, in ms. */
const duration = z.string().transform((given, context) => {
  const ms = parseDuration(given);
  if (ms !== undefined && ms > 0) return ms;
  context.addIssue({ code: 'custom', message: 'has to be a duration such as 30s, 15m, 24h or 7d' });
  return z.NEVER;
});

const list = z.string().transform((given) =>
  given
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

function amount(max: number) {
  return z
    .string()
    .regex(/^\d{1,15}$/, `has to be a whole number from 1 to ${max}`)
    .transform(Number)
    .refine((n) => n >= 1 && n <= max, `has to be a whole number from 1 to ${max}`);
}

const FAMILIES = ['m4', 'path', 'sketch'] as const;

const schema = z.object({
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  DATABASE_READ_URL: url('postgres', 'postgresql').optional(),
  MQTT_URL: url('mqtt', 'mqtts', 'ws', 'wss').optional(),
  MQTT_SHARE_GROUP: text.regex(/^[^/+#\s]+$/, 'may hold no slash, plus, hash or space').optional(),
  /** Unset: one of the host's own, which a process holds while it lives. */
  MQTT_CLIENT_ID: text.max(200).optional(),
  /** How long the broker keeps the session of a process that is away (MQTT 5). */
  MQTT_SESSION_EXPIRY: duration.optional(),
  REDIS_URL: url('redis', 'rediss').optional(),
  DATA_DIR: text.default('./data').transform((path) => resolve(path)),
  HTTP_HOST: text.default('127.0.0.1'),
  HTTP_PORT: port.default(8080),
  /** Where an ingester alone answers /metrics, /healthz and /readyz, at HTTP_HOST; unset: nowhere. */
  INGEST_HTTP_PORT: port.optional(),
  MQTT_HOST: text.default('127.0.0.1'),
  MQTT_PORT: port.default(1883),
  MQTT_ANONYMOUS: z.enum(['no', 'loopback']).default('no'),
  POLICY_BUNDLE: text
    .refine(
      (location) => !/^[a-z][a-z0-9+.-]*:\/\//i.test(location) || /^https?:/i.test(location),
      'has to be a path, or a URL that begins with http:// or https://',
    )
    .optional(),
  /** Bearer token for a bundle service. */
  POLICY_BUNDLE_TOKEN: text.optional(),
  /** Public keys that bundles have to be signed with: a file, PEM or JSON Web Key Set. */
  POLICY_KEYS: text.optional(),
  /** What a bundle's signature has to say as its scope. */
  POLICY_SCOPE: text.optional(),
  POLICY_AGE_MAX: duration.default(86_400_000),
  DECISION_LOG: z.enum(['all', 'denied', 'off']).default('all'),
  /** URLs, one for each issuer or one for all. */
  JWKS_URL: list
    .refine(
      (urls) => urls.length > 0 && urls.every((one) => url('http', 'https').safeParse(one).success),
      'has to be a URL that begins with http:// or https://, or a comma-separated list of these',
    )
    .optional(),
  JWKS_FILE: text.optional(),
  /** How long keys are used that their server no longer confirms. */
  JWKS_STALE_MAX: duration.default(86_400_000),
  JWT_ISSUER: list.default(['tailrace']).refine((names) => names.length > 0, 'has to be a name'),
  JWT_AUDIENCE: list.default(['tailrace']).refine((names) => names.length > 0, 'has to be a name'),
  /** Tokens that were made for longer are refused. */
  JWT_LIFETIME_MAX: duration.optional(),
  /** The page signs in at this issuer, by OpenID Connect. */
  OIDC_ISSUER: url('http', 'https').optional(),
  OIDC_CLIENT_ID: text.optional(),
  OIDC_SCOPE: text.default('openid'),
  /** Resource that the page asks its access token for (RFC 8707). */
  OIDC_RESOURCE: text.optional(),
  /** Readings in one transaction; by the database where unset. */
  INGEST_BATCH_ROWS_MAX: amount(100_000).optional(),
  /** How long a reading waits for others at most before a free database is given it. */
  INGEST_BATCH_AGE_MAX: duration.default(50),
  /** What may be received and not be acknowledged yet, over all sources. */
  INGEST_IN_FLIGHT_BYTES_MAX: amount(16 * 1024 ** 3).default(64 * 1024 * 1024),
  LIMIT_TENANT_SERIES: amount(100_000_000).default(250_000),
  LIMIT_TENANT_NEW_SERIES_PER_S: amount(1_000_000).default(100),
  LIMIT_TENANT_NEW_SERIES_BURST: amount(100_000_000).default(150_000),
  /** Unset: as many as it sends. */
  LIMIT_TENANT_READINGS_PER_S: amount(1_000_000_000).optional(),
  LIMIT_SUBJECT_REQUESTS_PER_S: amount(1_000_000).default(10_000),
  LIMIT_SUBJECT_BYTES_PER_S: amount(1e12).default(250_000_000),
  LIMIT_SUBJECT_IN_FLIGHT: amount(100_000).default(500),
  LIMIT_SUBJECT_TAILS: amount(1_000_000).default(10_000),
  LIMIT_TENANT_REQUESTS_PER_S: amount(1_000_000).default(20_000),
  LIMIT_TENANT_BYTES_PER_S: amount(1e12).default(500_000_000),
  LIMIT_TENANT_IN_FLIGHT: amount(100_000).default(1_000),
  LIMIT_TENANT_TAILS: amount(1_000_000).default(10_000),
  LIMIT_ADDRESS_CONNECTIONS: amount(1_000_000).default(10_000),
  /** Of requests that no verified token stands behind: public routes, refused tokens. */
  LIMIT_ADDRESS_REQUESTS_PER_S: amount(1_000_000).default(5_000),
  /** Dead letters that are older are dropped, and the oldest where all have more bytes than may be. */
  DEAD_LETTER_AGE_MAX: duration.default(30 * 86_400_000),
  DEAD_LETTER_BYTES_MAX: amount(1e15 - 1).default(1024 ** 3),
  JWT_TENANT_CLAIM: text.default('tenant'),
  JWT_ROLES_CLAIM: text.default('roles'),
  /** File of topic rules. */
  TOPIC_RULES: text.transform((path) => resolve(path)).optional(),
  /** Connections that write readings at once; the embedded database has one session, and one writer. */
  INGEST_WRITERS: amount(16).default(2),
  /** Families of rollups that are kept up; what the others would give is made from readings. */
  ROLLUP_FAMILIES: list
    .default(['m4'])
    .refine(
      (names) =>
        names.includes('m4') && names.every((name) => FAMILIES.some((one) => one === name)),
      'has to be m4, alone or with path, sketch or both of them, such as m4,path',
    )
    .pipe(z.array(z.enum(FAMILIES))),
  CORS_ORIGINS: list
    .default([])
    .refine(
      (origins) =>
        origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
      'has to be a comma-separated list of origins such as https://charts.example.org',
    ),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url('http', 'https').optional(),
});

/** The checked environment, under the variables' own names. An unset URL means the embedded stand-in. */
export type Config = Readonly<z.output<typeof schema>>;

/** What the environment gives, with `NAME_FILE` read in for secrets and empty variables taken as unset. */
function withSecretsFromFiles(
  env: Readonly<Record<string, string | undefined>>,
  faults: string[],
): Record<string, string> {
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && value !== '') given[name] = value;
  }
  for (const name of SECRETS) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) {
      faults.push(`${name}_FILE: set together with ${name}; keep one of them`);
      continue;
    }
    try {
      given[name] = readFileSync(file, 'utf8').trim();
    } catch (cause) {
      faults.push(`${name}_FILE: cannot be read (${messageOf(cause)})`);
    }
  }
  return given;
}

/** What single variables cannot tell: combinations that make no sense. */
function combinationFaults(given: Readonly<Record<string, string>>): string[] {
  const faults: string[] = [];
  if (given.JWKS_URL !== undefined && given.JWKS_FILE !== undefined) {
    faults.push('JWKS_FILE: set together with JWKS_URL; keep one of them');
  }
  const count = (names = '') => names.split(',').filter((name) => name.trim() !== '').length;
  const [urls, issuers] = [count(given.JWKS_URL), count(given.JWT_ISSUER ?? 'tailrace')];
  if (urls > 1 && urls !== issuers) {
    faults.push(
      `JWKS_URL: names ${urls} key sets for ${issuers} issuers; give one for each, or one`,
    );
  }
  if (given.POLICY_SCOPE !== undefined && given.POLICY_KEYS === undefined) {
    faults.push('POLICY_SCOPE: needs POLICY_KEYS, as only a signature says for what it was made');
  }
  if ((given.OIDC_ISSUER === undefined) !== (given.OIDC_CLIENT_ID === undefined)) {
    const missing = given.OIDC_ISSUER === undefined ? 'OIDC_ISSUER' : 'OIDC_CLIENT_ID';
    faults.push(`${missing}: OIDC_ISSUER and OIDC_CLIENT_ID go together`);
  }
  if (given.DATABASE_READ_URL !== undefined && given.DATABASE_URL === undefined) {
    faults.push('DATABASE_READ_URL: needs DATABASE_URL, the database that it is a replica of');
  }
  if (given.MQTT_SHARE_GROUP !== undefined && given.MQTT_URL === undefined) {
    faults.push('MQTT_SHARE_GROUP: needs MQTT_URL, the broker that shares the subscription');
  }
  return faults;
}

/**
 * Reads the environment.
 * @throws TailraceError `config_invalid`, its message one line a fault, each beginning with the variable's name.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const faults: string[] = [];
  const given = withSecretsFromFiles(env, faults);
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues)
      faults.push(`${issue.path.join('.')}: ${issue.message}`);
  }
  faults.push(...combinationFaults(given));
  if (!parsed.success || faults.length > 0) {
    throw new TailraceError('config_invalid', faults.join('\n'), { details: { faults } });
  }
  return parsed.data;
}

/** The configuration as it may be shown: passwords in URLs are masked. */
export function maskConfig(config: Config): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config)) {
    if (name === 'POLICY_BUNDLE_TOKEN' && value !== undefined) shown[name] = '***';
    else shown[name] = maskValue(value);
  }
  return shown;
}

function maskValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(maskValue);
  return typeof value === 'string' && URL.canParse(value) ? maskUrl(value) : value;
}

/** A URL without its password. */
function maskUrl(text: string): string {
  const parsed = new URL(text);
  if (parsed.password !== '') parsed.password = '***';
  for (const name of ['password', 'sslpassword']) {
    if (parsed.searchParams.has(name)) parsed.searchParams.set(name, '***');
  }
  return parsed.toString();
}
