// An embedded database in a process of its own, so that it can be killed, stopped and started while its clients live
// on. Serves the folder DATA_DIR on the socket there, and says `ready` on standard output. Runs from the built files.
import { createLog } from '../dist/lib/log.js';
import { startEmbeddedDatabase } from '../dist/sql/embedded/engine.js';

// kill -9 loses nothing that was given to the system, so there is no need to wait for the disk.
const engine = await startEmbeddedDatabase({
  dataDir: process.env.DATA_DIR,
  syncs: false,
  log: createLog('error'),
  onExit: () => process.exit(1),
});
process.once('SIGTERM', () => engine.stop());
process.stdout.write('ready\n');
