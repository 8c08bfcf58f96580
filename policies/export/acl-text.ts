// What both kinds of ACL file have in common: where they come from, and which names may stand in them.
import { TailraceError } from '../../lib/errors.ts';
import type { BrokerAccess } from './access.ts';

type Broker = 'mosquitto' | 'emqx';

/** What an ACL was made from and for. */
export interface AclOrigin {
  readonly revision: string;
  readonly nowMs: number;
  /** The account of tailrace itself. */
  readonly ingester?: string | undefined;
}

/** Control characters end a line or a term, and lone surrogates are no text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NEVER = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Cs}]/u;
/** mosquitto's password file ends a user name with a colon; lines are cut at their ends. */
const IN_MOSQUITTO = /^\s|\s$/u;
/** Quotes and backslashes end or change a term; $ and % begin placeholders of EMQX, in topics and of old in users. */
const IN_EMQX = /["\\$%]/;

/** The first lines of an ACL, to be made comments. */
export function originLines({ revision, nowMs }: AclOrigin): string[] {
  return [
    `Made by tailrace policy export from policy revision ${JSON.stringify(revision)}`,
    `as of ${new Date(nowMs).toISOString()}. It is a picture of that moment: shifts and whatever else depends on the`,
    'time stay as they were then, the end of a token (exp) and its revocation are not known to this broker.',
    'Export again whenever the policy or the principals change.',
  ];
}

/**
 * Gives the function that lets a name or filter into the file unchanged or throws, and looks at the users now.
 * @throws TailraceError `policy_export_impossible`.
 */
export function aclText(
  broker: Broker,
  ingester: string | undefined,
  access: readonly BrokerAccess[],
): (name: string) => string {
  for (const { username } of access) {
    if (username === ingester) throw impossible(`user ${username} is the ingester's account too`);
    if (broker === 'mosquitto' && username.includes(':')) {
      throw impossible(
        `user ${JSON.stringify(username)} has a colon, which ends a name in password files`,
      );
    }
  }
  const forbidden = broker === 'mosquitto' ? IN_MOSQUITTO : IN_EMQX;
  return (name) => {
    if (name !== '' && !NEVER.test(name) && !forbidden.test(name)) return name;
    throw impossible(`${JSON.stringify(name)} cannot stand in an ACL of ${broker}`);
  };
}

function impossible(fault: string): TailraceError {
  return new TailraceError('policy_export_impossible', `The ACL cannot be written: ${fault}.`);
}
