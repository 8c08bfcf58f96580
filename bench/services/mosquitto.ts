// The tests' mosquitto, for the bench: with its version, and a sentence where there is none.
import { execFileSync } from 'node:child_process';
import { delimiter } from 'node:path';
import { TailraceError } from '../../lib/errors.ts';
import type { Part } from '../../lib/lifecycle.ts';
import { startMosquitto } from '../../test/mosquitto.ts';

export interface Broker extends Part {
  readonly url: string;
  readonly port: number;
  readonly version: string;
}

// Debian puts daemons into /usr/sbin, which an ordinary user's PATH leaves out.
const PATH = [process.env.PATH ?? '', '/usr/sbin', '/usr/local/sbin'].join(delimiter);

/** Starts a mosquitto on a port of the system's choice. Throws `mosquitto_missing` where there is none. */
export async function startBroker(): Promise<Broker> {
  const version = readVersion();
  const mosquitto = await startMosquitto();
  return {
    name: 'mosquitto',
    url: mosquitto.url,
    port: mosquitto.port,
    version,
    stop: () => mosquitto.remove(),
  };
}

/** `mosquitto -h` says its version first, and ends with a status of its own choice. */
function readVersion(): string {
  const env = { ...process.env, PATH };
  const text = execFileSync('sh', ['-c', 'mosquitto -h 2>&1 || true'], { env, encoding: 'utf8' });
  const found = /version (\S+)/.exec(text)?.[1];
  if (found !== undefined) return found;
  throw new TailraceError(
    'mosquitto_missing',
    'This needs mosquitto; on Debian or Ubuntu: apt-get install mosquitto',
  );
}
