// The environment, checked once at start into a configuration that cannot be wrong afterwards.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { messageOf, TailraceError } from './errors.ts';

/** Variables that may hold a secret and can therefore be given as a file: `NAME_FILE` instead of `NAME`. */
const SECRETS = ['DATABASE_URL', 'DATABASE_READ_URL', 'MQTT_URL', 'REDIS_URL'] as const;

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

const schema = z.object({
  DATABASE_URL: url('postgres', 'postgresql').optional(),
  DATABASE_READ_URL: url('postgres', 'postgresql').optional(),
  MQTT_URL: url('mqtt', 'mqtts', 'ws', 'wss').optional(),
  MQTT_SHARE_GROUP: text.regex(/^[^/+#\s]+$/, 'may hold no slash, plus, hash or space').optional(),
  MQTT_CLIENT_ID: text.max(200).default(`tailrace-${hostname()}`),
  REDIS_URL: url('redis', 'rediss').optional(),
  DATA_DIR: text.default('./data').transform((path) => resolve(path)),
  HTTP_HOST: text.default('127.0.0.1'),
  HTTP_PORT: port.default(8080),
  MQTT_HOST: text.default('127.0.0.1'),
  MQTT_PORT: port.default(1883),
  MQTT_ANONYMOUS: z.enum(['no', 'loopback']).default('no'),
  POLICY_BUNDLE: text.optional(),
  JWKS_URL: url('http', 'https').optional(),
  JWKS_FILE: text.optional(),
  JWT_ISSUER: text.default('tailrace'),
  JWT_AUDIENCE: text.default('tailrace'),
  JWT_TENANT_CLAIM: text.default('tenant'),
  JWT_ROLES_CLAIM: text.default('roles'),
  TOPIC_RULES: text.optional(),
  CORS_ORIGINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim())
        .filter((origin) => origin !== ''),
    )
    .refine(
      (list) => list.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin),
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
    shown[name] = typeof value === 'string' && URL.canParse(value) ? maskUrl(value) : value;
  }
  return shown;
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
