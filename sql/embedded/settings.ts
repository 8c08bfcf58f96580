// Settings belong to a connection, yet all connections share one session: whoever takes the session gets the settings
// that it made, and nobody else's. Clients with equal settings (a pool's, mostly) follow one another at no cost.

import { messageOf } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import { BASE_SETTINGS, type Backend } from './backend.ts';
import { commandTag, messagesOf } from './wire.ts';

/** What one connection has set beyond BASE_SETTINGS. Equal keys mean equal settings. */
export interface Settings {
  readonly key: string;
  readonly values: ReadonlyMap<string, string>;
}

export interface SettingsSwitch {
  /** Gives the session the settings of the connection that takes it; answers those that it really has then. */
  adopt(settings: Settings): Settings;
  /** Reads back what the holder has set; to be called at the end of a transaction in which it may have. */
  readBack(): Settings;
}

function settingsOf(values: ReadonlyMap<string, string>): Settings {
  return { key: JSON.stringify([...values].sort(([a], [b]) => (a < b ? -1 : 1))), values };
}

export const NO_SETTINGS = settingsOf(new Map());

const LARGEST_ANSWER_OF_SET = 65_536;
const LOCAL = /^\s*set\s+(?:local|transaction)\b/i;

/** Whether running `text`, which gave `answer`, may have changed a setting beyond the transaction. */
export function mayHaveSet(text: string, answer: Buffer): boolean {
  if (text.includes('set_config')) return true;
  if (answer.length > LARGEST_ANSWER_OF_SET || LOCAL.test(text)) return false;
  for (const message of messagesOf(answer)) {
    if (message[0] !== 0x43) continue;
    const tag = commandTag(message);
    if (tag === 'SET' || tag === 'RESET') return true;
  }
  return false;
}

/** Parameters of a startup packet that are no settings, or whose only value here is the base's. */
const NOT_SETTINGS = new Set(['user', 'database', 'replication', 'client_encoding', 'options']);

/** The settings that a startup packet asks for. */
export function settingsOfStartup(parameters: ReadonlyMap<string, string>): Settings {
  const settings = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (!NOT_SETTINGS.has(name) && !name.startsWith('_pq_.')) settings.set(name, value);
  }
  // As libpq writes PGOPTIONS: -c name=value, where a backslash keeps a blank.
  const options = parameters.get('options') ?? '';
  for (const [, name, value] of options.matchAll(/(?:-c\s*|--)([\w.]+)=((?:\\.|[^\s\\])*)/g)) {
    settings.set(name!, value!.replaceAll(/\\(.)/g, '$1'));
  }
  return settingsOf(settings);
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function setConfig(name: string, value: string): string {
  return `select set_config(${literal(name)}, ${literal(value)}, false);`;
}

/** Gives the session BASE_SETTINGS and keeps account of whose settings it has. */
export function createSettingsSwitch(backend: Backend, log: Log): SettingsSwitch {
  let current = NO_SETTINGS;
  backend.query(statementsFor(BASE_SETTINGS));

  function apply(settings: Settings): Settings {
    backend.query(`reset all; ${statementsFor(BASE_SETTINGS)}`);
    const applied = new Map(settings.values);
    for (const [name, value] of settings.values) {
      try {
        backend.query(setConfig(name, value));
      } catch (cause) {
        log.warn({ setting: name }, `a client asks for a setting that fails: ${messageOf(cause)}`);
        applied.delete(name);
      }
    }
    return applied.size === settings.values.size ? settings : settingsOf(applied);
  }

  return {
    adopt(settings) {
      if (settings.key !== current.key) current = apply(settings);
      return current;
    },
    readBack() {
      const values = new Map<string, string>();
      for (const [name, value] of backend.query(
        `select name, setting from pg_catalog.pg_settings where source = 'session'`,
      )) {
        if (name != null && value != null) values.set(name, value);
      }
      // A client that resets a setting is to get the base's, not the engine's own.
      const reset = [...BASE_SETTINGS].filter(([name]) => !values.has(name));
      if (reset.length > 0) backend.query(statementsFor(reset));
      for (const [name, value] of BASE_SETTINGS) {
        if (values.get(name) === value) values.delete(name);
      }
      // SET ROLE is no setting that can be read back: it ends with the transaction.
      backend.query('reset role; reset session authorization');
      current = settingsOf(values);
      return current;
    },
  };
}

function statementsFor(settings: Iterable<readonly [string, string]>): string {
  return [...settings].map(([name, value]) => setConfig(name, value)).join(' ');
}
