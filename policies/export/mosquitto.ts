// The access of principals as an acl_file of mosquitto 2. Anything that no line allows is denied.
import type { BrokerAccess } from './access.ts';
import { INGESTER_FILTERS } from './access.ts';
import { type AclOrigin, aclText, originLines } from './acl-text.ts';

/**
 * Writes the acl_file. Topic lines before the first `user` would be for anonymous clients: there are none.
 * @throws TailraceError `policy_export_impossible` for a name that would not be read back as it is written.
 */
export function mosquittoAcl(access: readonly BrokerAccess[], origin: AclOrigin): string {
  const text = aclText('mosquitto', origin.ingester, access);
  const head = [
    ...originLines(origin),
    'Needed in mosquitto.conf:',
    '  allow_anonymous false',
    '  password_file <file made by mosquitto_passwd>',
    '  acl_file <this file>',
    'After a new export: replace the file and send mosquitto SIGHUP.',
    'mosquitto acknowledges what it refuses: a forbidden publish is dropped, a forbidden subscription gets nothing.',
  ].map((line) => `# ${line}`);
  const ingester =
    origin.ingester === undefined
      ? []
      : ['', '# tailrace itself', `user ${text(origin.ingester)}`].concat(
          INGESTER_FILTERS.map((filter) => `topic read ${filter}`),
        );
  const users = access.flatMap(({ username, publish, subscribe }) => [
    '',
    `# publish: ${JSON.stringify(publish.reason)}`,
    `# subscribe: ${JSON.stringify(subscribe.reason)}`,
    `user ${text(username)}`,
    ...publish.filters.map((filter) => `topic write ${text(filter)}`),
    ...subscribe.filters.map((filter) => `topic read ${text(filter)}`),
  ]);
  return `${[...head, ...ingester, ...users].join('\n')}\n`;
}
