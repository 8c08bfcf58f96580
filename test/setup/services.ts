// Brings the real services that the tests run against: installs what is missing through apt where that is possible,
// and says what to install where it is not. Nothing is skipped for want of a service.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that the tests start, with Debian's package for each. */
const SERVICES = [
  { program: 'mosquitto', packageName: 'mosquitto' },
  { program: 'redis-server', packageName: 'redis-server' },
  { program: 'chromium', packageName: 'chromium' },
  { program: 'psql', packageName: 'postgresql-client' },
] as const;

function isInstalled(program: string): boolean {
  // Debian puts daemons into /usr/sbin, which an ordinary user's PATH leaves out.
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function mayInstall(): boolean {
  return isInstalled('apt-get') && process.getuid?.() === 0;
}

function install(packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = {
    env,
    stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'],
  };
  execFileSync('apt-get', ['update', '-qq'], options);
  // A service that starts by itself would take the ports that it is not asked to take.
  execFileSync(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0', ...packages],
    { ...options, env: { ...env, RUNLEVEL: '1' } },
  );
}

/** Runs once before all tests. */
export function setup(): void {
  const missing = SERVICES.filter((service) => !isInstalled(service.program));
  if (missing.length === 0) return;
  const packages = missing.map((service) => service.packageName);
  if (!mayInstall()) {
    throw new Error(
      `The tests need ${missing.map((s) => s.program).join(', ')}. Install them, on Debian or Ubuntu with:\n` +
        `  sudo apt-get install ${packages.join(' ')}`,
    );
  }
  process.stderr.write(`installing ${packages.join(', ')} for the tests\n`);
  install(packages);
}
