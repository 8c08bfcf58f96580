// What a session at the broker is subscribed to, kept in DATA_DIR over restarts: topic rules may be others afterwards, or
// the share group, and the broker goes on with the old filters until somebody who knows them leaves them.
import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectory } from '../lib/directory.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { FilterMemory } from '../lib/mqtt/session-filters.ts';

/** Opens the memory of one session. Where it cannot be kept the log says so, and nothing else happens. */
export function openFilterMemory(
  session: { readonly broker: string; readonly clientId: string },
  dataDir: string,
  log: Log,
): FilterMemory {
  const digest = createHash('sha256').update(`${session.broker} ${session.clientId}`).digest('hex');
  const file = join(dataDir, `mqtt-filters-${digest.slice(0, 16)}.json`);
  return {
    load() {
      try {
        const kept: unknown = JSON.parse(readFileSync(file, 'utf8'));
        return Array.isArray(kept) ? kept.filter((one) => typeof one === 'string') : [];
      } catch {
        return []; // A first start, or a file that was cut off: nothing to leave.
      }
    },
    save(filters) {
      try {
        makeDirectory(dataDir);
        writeFileSync(`${file}.new`, JSON.stringify(filters));
        renameSync(`${file}.new`, file);
      } catch (cause) {
        log.warn(
          { reason: messageOf(cause) },
          'MQTT: filters are not remembered; after a change of topic rules while this process is down, old ones stay',
        );
      }
    },
  };
}

/** One memory of two that may know different things of the session. */
export function bothMemories(one: FilterMemory, other: FilterMemory): FilterMemory {
  return {
    load: () => [...new Set([...one.load(), ...other.load()])],
    save(filters) {
      one.save(filters);
      other.save(filters);
    },
  };
}
