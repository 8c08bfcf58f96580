// What may be asked of a process that answers no queries: whether it lives and is ready, and its metrics.
import { systemClock } from '../lib/clock.ts';
import { amountsOf } from '../query/limits/amounts.ts';
import { type ProbeServer, startProbeServer } from '../query/probe-server.ts';
import type { Ground } from './ground.ts';
import { readiness } from './readiness.ts';
import type { IngestParts } from './run-ingest.ts';

/** Starts the server at INGEST_HTTP_PORT; none where that is unset. */
export async function startProbes(
  ground: Ground,
  ingest: IngestParts | undefined,
): Promise<ProbeServer | undefined> {
  const { config, policy, tokens, log, metrics, lifecycle } = ground;
  const { HTTP_HOST: host, INGEST_HTTP_PORT: port } = config;
  if (port === undefined) {
    log.info('INGEST_HTTP_PORT is unset: no /metrics, /healthz and /readyz');
    return undefined;
  }
  const options = { host, port, portName: 'INGEST_HTTP_PORT', limits: amountsOf(config) };
  return lifecycle.add(
    await startProbeServer({
      ...options,
      ...{ policy, tokens, log, metrics, clock: systemClock },
      readiness: () => readiness(ground, ingest),
    }),
  );
}
