// Under which id this process is known to the broker. The broker keeps what is not acknowledged under it, so it has to be
// the same after a restart, and another one for every process: two of one id would put each other out without end.
import { createHash } from 'node:crypto';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../lib/config.ts';
import { makeDirectory } from '../lib/directory.ts';
import { TailraceError } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { FilterMemory } from '../lib/mqtt/session-filters.ts';
import { type DirectoryLock, isDirectoryInUse, lockDirectory } from '../sql/embedded/lock.ts';
import { openFilterMemory } from './filter-memory.ts';

export interface ClientId extends Part {
  readonly clientId: string;
}

/** An id that processes of this host find for themselves. */
export interface HostId {
  readonly clientId: string;
  /** `taken` by another process; `unknown` where this host has no folder for it. */
  lock(): Promise<DirectoryLock | 'taken' | 'unknown'>;
  /** Whether a process has it: asked without taking it. */
  inUse(): Promise<boolean>;
  /** What its session is subscribed to, for all processes of the host; nothing after the session has ended. */
  readonly memory: FilterMemory;
}

/** Ingesters of one share group on one host. */
const PLACES_MAX = 64;

/**
 * The id that is configured, else one of the host: its first place that no other process of the same user has at this
 * broker. Which process gets which does not matter, as long as the places are the same after a restart of all.
 * @throws TailraceError `client_id_in_use` where the places are taken: without a share group there is one.
 * `client_id_unknown` for a group whose host has no folder to keep them in.
 */
export async function claimClientId(
  config: Pick<Config, 'MQTT_CLIENT_ID' | 'MQTT_SHARE_GROUP'>,
  brokerUrl: string,
): Promise<ClientId> {
  const name = 'client id';
  const { MQTT_CLIENT_ID: given, MQTT_SHARE_GROUP: group } = config;
  if (given !== undefined) return { name, clientId: given, stop: async () => {} };
  const broker = new URL(brokerUrl).host;
  const ids = idsOfHost();
  for (const clientId of group === undefined ? ids.slice(0, 1) : ids) {
    const lock = await tryLock(folderOf(broker, clientId));
    if (lock === 'unknown' && group === undefined) return { name, clientId, stop: async () => {} };
    if (lock === 'unknown') throw unknown();
    if (lock !== 'taken') return { name, clientId, stop: lock.release };
  }
  throw new TailraceError(
    'client_id_in_use',
    group === undefined
      ? `Another process of this host has the broker's session ${ids[0]}: to share its messages, set MQTT_SHARE_GROUP ` +
          'for both; to take all of them a second time, give this one a MQTT_CLIENT_ID of its own.'
      : `${PLACES_MAX} processes of this host are in the group already: give each a MQTT_CLIENT_ID of its own.`,
  );
}

/** The ids that processes of a group on this host find for themselves at a broker. */
export function hostIds(brokerUrl: string, log: Log): readonly HostId[] {
  const broker = new URL(brokerUrl).host;
  return idsOfHost().map((clientId) => {
    const folder = folderOf(broker, clientId);
    return {
      clientId,
      lock: () => tryLock(folder),
      inUse: () => isDirectoryInUse(folder),
      memory: openFilterMemory({ broker, clientId }, folder, log),
    };
  });
}

function idsOfHost(): string[] {
  const first = `tailrace-${hostname()}`;
  const others = Array.from({ length: PLACES_MAX - 1 }, (_, i) => `${first}-${i + 2}`);
  return [first, ...others];
}

/** Sockets have short paths, so the folder has a short name. */
function folderOf(broker: string, clientId: string): string {
  const digest = createHash('sha256').update(`${broker} ${clientId}`).digest('hex').slice(0, 16);
  return join(tmpdir(), `tailrace-mqtt-${process.getuid?.() ?? 0}`, digest);
}

/** `unknown` where the folder cannot be made. */
async function tryLock(folder: string): Promise<DirectoryLock | 'taken' | 'unknown'> {
  try {
    makeDirectory(folder, 0o700);
    return await lockDirectory(folder);
  } catch (cause) {
    const isTaken = cause instanceof TailraceError && cause.code === 'database_in_use';
    return isTaken ? 'taken' : 'unknown';
  }
}

function unknown(): TailraceError {
  return new TailraceError(
    'client_id_unknown',
    `Set MQTT_CLIENT_ID, another one for each process of the group: which ids of this host are in use is kept in ` +
      `${tmpdir()}, and that cannot be written.`,
  );
}
