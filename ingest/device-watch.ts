// Watches over the devices that are connected to the embedded broker: a connection whose token is over or revoked, or
// whose subscriptions the policy no longer allows, is closed. What is published is held against the policy anyway.
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Part } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import type { Policy } from '../policies/decide/decision.ts';
import type { Revocations } from '../policies/tokens/revocations.ts';
import type { DeviceAccess } from './device-access.ts';

/** A connection of a device; one without an access of its own is anonymous, and may all. */
export interface DeviceConnection {
  readonly publisher: { readonly access: DeviceAccess | undefined };
  readonly filters: ReadonlySet<string>;
  close(reason: string): void;
}

export interface DeviceWatchOptions {
  readonly broker: { connections(): readonly DeviceConnection[] };
  readonly policy: Pick<Policy, 'onChange'>;
  readonly revocations: Pick<Revocations, 'onAdded'>;
  readonly clock: Clock;
  readonly log: Log;
  /** How often ends of tokens are looked for. */
  readonly everyMs?: number;
}

const EVERY_MS = 1_000;
/** Subscriptions are decided again for so long at a stretch, then others have their turn. */
const SLICE_MS = 5;

/** Starts to watch. */
export function watchDevices(options: DeviceWatchOptions): Part {
  const { broker, policy, revocations, clock, log } = options;
  let round = 0;
  /** One look for however many revocations come at a time. */
  let revoked: NodeJS.Immediate | undefined;
  let deciding: Promise<void> = Promise.resolve();

  function closeEnded(reason: string): void {
    const nowMs = clock();
    for (const connection of broker.connections()) {
      if (connection.publisher.access?.hasEnded(nowMs) === true) connection.close(reason);
    }
  }

  /** A change while this goes on begins it anew. */
  async function decideAgain(own: number): Promise<void> {
    const connections = broker.connections();
    for (const { publisher } of connections) publisher.access?.forget();
    let since = performance.now();
    for (const connection of connections) {
      if (!holdsItsRight(connection, clock())) connection.close('policy');
      if (performance.now() - since < SLICE_MS) continue;
      await turn();
      if (own !== round) return;
      since = performance.now();
    }
  }

  const unfollowPolicy = policy.onChange(() => {
    round += 1;
    deciding = decideAgain(round).catch((thrown: unknown) => {
      log.error({ reason: messageOf(thrown) }, 'MQTT: devices could not be decided about again');
    });
  });
  const unfollowRevocations = revocations.onAdded(() => {
    revoked ??= setImmediate(() => {
      revoked = undefined;
      closeEnded('revoked');
    });
  });
  const timer = setInterval(() => closeEnded('expired'), options.everyMs ?? EVERY_MS);
  timer.unref();

  return {
    name: 'watch over devices',
    async stop() {
      unfollowPolicy();
      unfollowRevocations();
      clearInterval(timer);
      clearImmediate(revoked);
      round += 1;
      await deciding;
    },
  };
}

function holdsItsRight({ publisher, filters }: DeviceConnection, nowMs: number): boolean {
  const { access } = publisher;
  if (access === undefined) return true;
  for (const filter of filters) if (!access.maySubscribe(filter, nowMs)) return false;
  return true;
}
