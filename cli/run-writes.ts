// Where readings that come over HTTP go: into this process's own broker, or to the one at MQTT_URL.
import { randomUUID } from 'node:crypto';
import { createWriteDoor, type Outlet, type WriteDoor } from '../ingest/write/door.ts';
import { systemClock } from '../lib/clock.ts';
import { TailraceError } from '../lib/errors.ts';
import { createDelivery } from '../lib/mqtt/delivery.ts';
import type { PublishOwn } from '../lib/mqtt/own-publishing.ts';
import type { Ground } from './ground.ts';

/** How long a write may wait for the broker, or for its COMMIT: less than Telegraf waits (5 s) and Influx's clients (10 s). */
const WAIT_MAX_MS = 4_000;
/**
 * A write that is too large to be committed in that time would be sent again for ever: so it gets more, at a rate that
 * the embedded database keeps up on a busy machine, but an answer before the server gives it up after 60 s.
 */
const READINGS_PER_MS = 15;
const COMMIT_MAX_MS = 55_000;
const RETRY_AFTER_S = 2;

/** A write that was not confirmed in time: it may have been taken nevertheless, and to send it again does no harm. */
function unconfirmed(detail: string): TailraceError {
  const details = { retry_after_s: RETRY_AFTER_S };
  return new TailraceError('broker_unavailable', detail, { details });
}

/** Waits for work, no longer than the signal says. */
function until(signal: AbortSignal, work: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () =>
      reject(unconfirmed('The readings are not committed yet: send them again in a moment.'));
    signal.addEventListener('abort', giveUp, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

/** The broker of this process: what is published there is committed. */
export function ownOutlet(publish: PublishOwn, waitMaxMs: number = WAIT_MAX_MS): Outlet {
  return {
    carriesContentType: () => Promise.resolve(true),
    mayLoseContentType: false,
    publish({ tenant, topic, payload, contentType, readings }) {
      const commitMs = Math.min(waitMaxMs + readings / READINGS_PER_MS, COMMIT_MAX_MS);
      const signal = AbortSignal.timeout(Math.ceil(commitMs));
      const typed = contentType === undefined ? {} : { contentType };
      const publisher = { clientId: 'http', tenant };
      return until(signal, publish({ topic, payload, publisher, ...typed }, signal));
    },
  };
}

/** The broker at MQTT_URL: what it has acknowledged is safe with it. */
function brokerOutlet({ lifecycle, metrics, log }: Ground, url: string): Outlet {
  const clientId = `tailrace-writes-${randomUUID()}`;
  const delivery = lifecycle.add(createDelivery({ url, clientId, metrics, log }));
  return {
    carriesContentType: () => delivery.carriesContentType(AbortSignal.timeout(WAIT_MAX_MS)),
    mayLoseContentType: true,
    publish: (message) => delivery.deliver(message, AbortSignal.timeout(WAIT_MAX_MS)),
  };
}

/** Opens the door for writes. `publish` is that of this process's own broker, where there is one. */
export function openWriteDoor(ground: Ground, publish: PublishOwn | undefined): WriteDoor {
  const { topicRules: rules } = ground;
  const { MQTT_URL: url } = ground.config;
  if (publish !== undefined) {
    return createWriteDoor({ rules, outlet: ownOutlet(publish), clock: systemClock });
  }
  if (url === undefined)
    throw new Error('there is no broker: neither of this process nor MQTT_URL');
  return createWriteDoor({ rules, outlet: brokerOutlet(ground, url), clock: systemClock });
}
