// Who a client of the embedded broker is: a device by the token that it gives as its password, or, where that is
// allowed, anybody on this machine.
import { messageOf, TailraceError } from '../lib/errors.ts';
import type { Publisher } from '../lib/mqtt/broker-sessions.ts';
import type { Credentials, Refusal } from '../lib/mqtt/embedded-broker.ts';
import type { Policy } from '../policies/decide/decision.ts';
import type { TokenVerifier } from '../policies/tokens/verifier.ts';
import { createDeviceAccess, type DeviceAccess } from './device-access.ts';
import type { LiveTopicRules } from './topics/rules.ts';

/** A client of the embedded broker; without an access of its own it is an anonymous one, which may all. */
export interface Device extends Publisher {
  readonly access: DeviceAccess | undefined;
}

export interface DeviceLoginOptions {
  /** Whether clients on this machine may come without a token: for a demo. */
  readonly anonymous: 'no' | 'loopback';
  readonly tokens: Pick<TokenVerifier, 'verify' | 'revocations'>;
  readonly policy: Policy;
  readonly topicRules: Pick<LiveTopicRules, 'current'>;
}

/** Makes the function that says who a client is. */
export function createDeviceLogin(
  options: DeviceLoginOptions,
): (credentials: Credentials) => Promise<Device | Refusal> {
  const { anonymous, tokens, policy, topicRules } = options;
  const { revocations } = tokens;
  return async ({ password, loopback }) => {
    if (password === undefined) {
      if (anonymous === 'loopback' && loopback) return { tenant: undefined, access: undefined };
      return { refused: 'a token is needed as the password' };
    }
    try {
      const claims = await tokens.verify(password);
      const access = createDeviceAccess({ policy, revocations, claims, topicRules });
      return { tenant: claims.tenant, access };
    } catch (thrown) {
      const unavailable = thrown instanceof TailraceError && thrown.code === 'keys_unavailable';
      return { refused: messageOf(thrown), unavailable };
    }
  };
}
